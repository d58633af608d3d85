//! The keyboard controller's reset pulse. There is no keyboard.

use crate::bus::PioDevice;
use crate::power::{PowerRequest, PowerSink};
use std::sync::Arc;

const COMMAND_RESET: u8 = 0xfe;
/// Output buffer full, input buffer empty: probing for a keyboard fails at once, and nobody waits to write a command.
const STATUS: u8 = 0x01;

/// Port 0x64.
pub struct I8042(Arc<dyn PowerSink>);

impl I8042 {
    /// A controller that resets the machine through `power`.
    pub fn new(power: Arc<dyn PowerSink>) -> Self {
        Self(power)
    }
}

impl PioDevice for I8042 {
    fn read(&mut self, _offset: u16, data: &mut [u8]) {
        data.fill(STATUS);
    }

    fn write(&mut self, _offset: u16, data: &[u8]) {
        if data == [COMMAND_RESET] {
            self.0.request(PowerRequest::Reset);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::lock;
    use std::sync::Mutex;

    struct Requests(Mutex<Vec<PowerRequest>>);

    impl PowerSink for Requests {
        fn request(&self, request: PowerRequest) {
            lock(&self.0).push(request);
        }
    }

    #[test]
    fn only_the_reset_pulse_resets() {
        let requests = Arc::new(Requests(Mutex::default()));
        let mut port = I8042::new(requests.clone());
        port.write(0, &[0xaa]);
        port.write(0, &[0xfe, 0]);
        assert!(lock(&requests.0).is_empty());
        port.write(0, &[0xfe]);
        assert_eq!(*lock(&requests.0), [PowerRequest::Reset]);
    }
}

//! The MC146818 clock and 128 bytes of CMOS. It always shows the host's time in UTC; setting it changes nothing.

use crate::bus::PioDevice;
use std::time::{SystemTime, UNIX_EPOCH};

const SIZE: usize = 128;
const REGISTER_A: u8 = 0x0a;
const REGISTER_B: u8 = 0x0b;
const REGISTER_C: u8 = 0x0c;
const REGISTER_D: u8 = 0x0d;
const CENTURY: u8 = 0x32;
/// 32.768 kHz base, 1,024 Hz rate, no update in progress.
const A_DEFAULT: u8 = 0x26;
const B_24_HOURS: u8 = 0x02;
const B_BINARY: u8 = 0x04;
const D_VALID: u8 = 0x80;

/// Seconds since 1970, UTC.
pub type Clock = fn() -> u64;

/// The host's wall clock.
pub fn host_clock() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Ports 0x70 and 0x71.
pub struct Rtc {
    clock: Clock,
    index: u8,
    scratch: [u8; SIZE],
}

impl Rtc {
    /// A clock that shows `clock`'s time.
    pub fn new(clock: Clock) -> Self {
        let mut scratch = [0; SIZE];
        scratch[usize::from(REGISTER_B)] = B_24_HOURS;
        Self { clock, index: 0, scratch }
    }

    fn register(&self) -> u8 {
        let now = Moment::new((self.clock)());
        let shown = |value: u64| if self.binary() { value as u8 } else { (((value / 10) << 4) | (value % 10)) as u8 };
        match self.index {
            0x00 => shown(now.second),
            0x02 => shown(now.minute),
            0x04 => self.hour(now.hour, shown),
            0x06 => shown(now.weekday),
            0x07 => shown(now.day),
            0x08 => shown(now.month),
            0x09 => shown(now.year % 100),
            CENTURY => shown(now.year / 100),
            REGISTER_A => A_DEFAULT,
            REGISTER_C => 0,
            REGISTER_D => D_VALID,
            index => self.scratch[usize::from(index)],
        }
    }

    fn binary(&self) -> bool {
        self.scratch[usize::from(REGISTER_B)] & B_BINARY != 0
    }

    fn hour(&self, hour: u64, shown: impl Fn(u64) -> u8) -> u8 {
        if self.scratch[usize::from(REGISTER_B)] & B_24_HOURS != 0 {
            return shown(hour);
        }
        let afternoon = if hour >= 12 { 0x80 } else { 0 };
        shown((hour + 11) % 12 + 1) | afternoon
    }
}

impl PioDevice for Rtc {
    fn read(&mut self, offset: u16, data: &mut [u8]) {
        if let (1, [byte]) = (offset, data) {
            *byte = self.register();
        }
    }

    fn write(&mut self, offset: u16, data: &[u8]) {
        match (offset, data) {
            // The top bit switches the NMI off on real boards.
            (0, [index, ..]) => self.index = index & 0x7f,
            (1, [value]) => self.scratch[usize::from(self.index)] = *value,
            _ => {}
        }
    }
}

/// A time in the Gregorian calendar.
#[derive(Debug, PartialEq, Eq)]
struct Moment {
    year: u64,
    month: u64,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
    /// 1 is Sunday.
    weekday: u64,
}

impl Moment {
    fn new(seconds: u64) -> Self {
        let (days, rest) = (seconds / 86_400, seconds % 86_400);
        // Years that start in March put the leap day last; 719,468 days lie between 0000-03-01 and 1970-01-01.
        let shifted = days + 719_468;
        let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let month = (march_month + 2) % 12 + 1;
        Self {
            year: era * 400 + year_of_era + u64::from(month <= 2),
            month,
            day: day_of_year - (153 * march_month + 2) / 5 + 1,
            hour: rest / 3600,
            minute: rest / 60 % 60,
            second: rest % 60,
            weekday: (days + 4) % 7 + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registers(rtc: &mut Rtc, indices: &[u8]) -> Vec<u8> {
        indices
            .iter()
            .map(|index| {
                rtc.write(0, &[*index | 0x80]);
                let mut byte = [0];
                rtc.read(1, &mut byte);
                byte[0]
            })
            .collect()
    }

    #[test]
    fn the_calendar_is_right_on_leap_days_and_year_ends() {
        let cases = [
            (0, (1970, 1, 1, 5)),
            (951_782_400, (2000, 2, 29, 3)),
            (1_709_251_199, (2024, 2, 29, 5)),
            (1_735_689_599, (2024, 12, 31, 3)),
            (4_107_542_400, (2100, 3, 1, 2)),
        ];
        for (seconds, expected) in cases {
            let at = Moment::new(seconds);
            assert_eq!((at.year, at.month, at.day, at.weekday), expected);
        }
    }

    #[test]
    fn time_is_shown_in_the_format_that_was_chosen() {
        let mut rtc = Rtc::new(|| 1_735_689_599);
        let time = [CENTURY, 9, 8, 7, 4, 2, 0];
        assert_eq!(registers(&mut rtc, &time), [0x20, 0x24, 0x12, 0x31, 0x23, 0x59, 0x59]);
        rtc.write(0, &[REGISTER_B]);
        rtc.write(1, &[B_BINARY]);
        assert_eq!(registers(&mut rtc, &time), [20, 24, 12, 31, 11 | 0x80, 59, 59]);
    }

    #[test]
    fn it_says_that_it_is_valid_and_never_updating() {
        let mut rtc = Rtc::new(|| 0);
        assert_eq!(registers(&mut rtc, &[REGISTER_A, REGISTER_B, REGISTER_C, REGISTER_D]), [0x26, 2, 0, 0x80]);
        rtc.write(0, &[0x7f]);
        rtc.write(1, &[0x55]);
        assert_eq!(registers(&mut rtc, &[0x7f]), [0x55]);
    }
}

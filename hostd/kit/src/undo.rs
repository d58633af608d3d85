//! Undo of local work of several steps: each step that succeeded leaves what takes it back, and only [`Undo::keep`] forgets it.

type Action = Box<dyn FnOnce() + Send>;

/// Steps to take back, newest first, when the value is dropped.
#[derive(Default)]
#[must_use = "the steps are taken back when this is dropped"]
pub struct Undo {
    actions: Vec<Action>,
}

impl Undo {
    /// Nothing to take back yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what takes the last step back. It must not panic and handles its own errors.
    pub fn push(&mut self, action: impl FnOnce() + Send + 'static) {
        self.actions.push(Box::new(action));
    }

    /// The work is done: nothing is taken back.
    pub fn keep(mut self) {
        self.actions.clear();
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        while let Some(action) = self.actions.pop() {
            action();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    fn two_steps(order: &Arc<Mutex<Vec<u8>>>) -> Undo {
        let mut undo = Undo::new();
        for step in [1, 2] {
            let order = order.clone();
            undo.push(move || order.lock().unwrap().push(step));
        }
        undo
    }

    #[test]
    fn steps_are_taken_back_newest_first() {
        let order = Arc::new(Mutex::new(Vec::new()));
        drop(two_steps(&order));
        assert_eq!(*order.lock().unwrap(), [2, 1]);
    }

    #[test]
    fn finished_work_is_kept() {
        let order = Arc::new(Mutex::new(Vec::new()));
        two_steps(&order).keep();
        assert!(order.lock().unwrap().is_empty());
    }
}

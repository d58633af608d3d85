//! Crashes on demand, for tests: `CONTROLLER_FAULT=kind.step[.before|.after|.undo]`.

use std::sync::OnceLock;

/// Where the process shall die.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    Before,
    After,
    Undo,
}

pub(crate) fn here(kind: &str, step: &str, moment: Moment) {
    static WANTED: OnceLock<Option<String>> = OnceLock::new();
    let wanted = WANTED.get_or_init(|| std::env::var("CONTROLLER_FAULT").ok());
    if wanted.as_deref().is_some_and(|wanted| matches(wanted, kind, step, moment)) {
        tracing::error!(kind, step, ?moment, "ending the process, as CONTROLLER_FAULT wants it");
        std::process::abort();
    }
}

fn matches(wanted: &str, kind: &str, step: &str, moment: Moment) -> bool {
    let Some(rest) = wanted.strip_prefix(kind).and_then(|rest| rest.strip_prefix('.')) else { return false };
    match rest.strip_prefix(step) {
        Some("" | ".after") => moment == Moment::After,
        Some(".before") => moment == Moment::Before,
        Some(".undo") => moment == Moment::Undo,
        Some(_) | None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_hits_one_moment_of_one_step() {
        assert!(matches("server.create.claim", "server.create", "claim", Moment::After));
        assert!(matches("server.create.claim.before", "server.create", "claim", Moment::Before));
        assert!(matches("server.create.claim.undo", "server.create", "claim", Moment::Undo));
        assert!(!matches("server.create.claim", "server.create", "claim", Moment::Before));
        assert!(!matches("server.create.claim", "server.create", "claims", Moment::After));
        assert!(!matches("server.create.claim", "server", "create", Moment::After));
    }
}

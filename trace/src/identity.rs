//! Ids of traces and spans.

use opentelemetry::{SpanId, TraceId};
use uuid::Uuid;

/// Where a span stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) trace: TraceId,
    pub(crate) span: SpanId,
    /// `SpanId::INVALID`: it is the first.
    pub(crate) parent: SpanId,
    /// The parent is another task's or another program's.
    pub(crate) remote: bool,
}

impl Place {
    /// The place of a span in this request's trace: its first span, or one below it.
    pub(crate) fn of_request(request: &str, first: bool) -> Option<Self> {
        let uuid = Uuid::try_parse(request.strip_prefix("req-")?).ok()?;
        let (trace, root) = (TraceId::from(uuid.as_u128()), SpanId::from(uuid.as_u64_pair().1));
        Some(if first {
            Self { trace, span: root, parent: SpanId::INVALID, remote: false }
        } else {
            Self { trace, span: random(), parent: root, remote: true }
        })
    }

    /// The first span of a trace that no request asked for.
    pub(crate) fn alone() -> Self {
        let trace = TraceId::from(Uuid::new_v4().as_u128());
        Self { trace, span: random(), parent: SpanId::INVALID, remote: false }
    }

    /// Below this one, in the same task.
    pub(crate) fn child(self) -> Self {
        Self { trace: self.trace, span: random(), parent: self.span, remote: false }
    }

    /// Whether the trace is among this share; each program comes to the same answer.
    pub(crate) fn is_sampled(self, share: f64) -> bool {
        let number = u128::from_be_bytes(self.trace.to_bytes()) >> 96;
        share >= 1.0 || (number as f64) < share * f64::from(u32::MAX)
    }
}

/// 62 of its bits are random, and it is never zero, which would be no id.
fn random() -> SpanId {
    SpanId::from(Uuid::new_v4().as_u64_pair().1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &str = "req-0f8fad5b-d9cb-469f-a165-70867728950e";

    #[test]
    fn a_request_s_id_tells_its_trace_and_its_first_span() {
        let first = Place::of_request(REQUEST, true).unwrap();
        assert_eq!(first.trace.to_string(), "0f8fad5bd9cb469fa16570867728950e");
        assert_eq!((first.span.to_string().as_str(), first.parent), ("a16570867728950e", SpanId::INVALID));
        let later = Place::of_request(REQUEST, false).unwrap();
        assert_eq!((later.trace, later.parent, later.remote), (first.trace, first.span, true));
        assert_ne!(later.span, first.span);
    }

    #[test]
    fn what_is_no_request_s_id_tells_nothing() {
        for text in ["", "req-", "req-1", "0f8fad5b-d9cb-469f-a165-70867728950e"] {
            assert_eq!(Place::of_request(text, true), None, "{text}");
        }
    }

    #[test]
    fn a_share_of_the_traces_is_that_share_and_the_same_everywhere() {
        let places: Vec<_> = (0..4000).map(|_| Place::alone()).collect();
        let count = |share| places.iter().filter(|place| place.child().is_sampled(share)).count();
        assert_eq!((count(0.0), count(1.0)), (0, 4000));
        assert!((800..1200).contains(&count(0.25)), "{}", count(0.25));
    }
}

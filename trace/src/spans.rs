//! From `tracing`'s spans to OpenTelemetry's.

use crate::{Traces, identity::Place};
use opentelemetry::{
    KeyValue, TraceFlags, Value,
    trace::{Event as SpanEvent, SpanContext, SpanKind, Status, TraceState},
};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks, SpanProcessor as _};
use std::{borrow::Cow, fmt, time::SystemTime};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{Layer, layer::Context, registry::LookupSpan};

/// The span of a request itself.
const REQUEST: &str = "http.request";
/// Of one span: warnings and errors beyond these are in the log alone.
const EVENTS: usize = 32;
/// Bytes of a text: a path is a client's to choose.
const LONGEST: usize = 1024;

/// The layer.
pub(crate) struct Spans {
    traces: Traces,
}

/// A span that has not ended.
struct Open {
    place: Place,
    started: SystemTime,
    said: Said,
    events: SpanEvents,
    failed: Option<String>,
}

impl Spans {
    pub(crate) fn new(traces: Traces) -> Self {
        Self { traces }
    }

    fn close(&self, name: &'static str, open: Open) {
        let Open { place, started, said, events, failed } = open;
        let name = said.name().map_or(Cow::Borrowed(name), Cow::Owned);
        let flags = TraceFlags::SAMPLED;
        self.traces.processor.on_end(SpanData {
            span_context: SpanContext::new(place.trace, place.span, flags, false, TraceState::NONE),
            parent_span_id: place.parent,
            parent_span_is_remote: place.remote,
            span_kind: if said.first { SpanKind::Server } else { SpanKind::Internal },
            name,
            start_time: started,
            end_time: now(),
            status: match failed {
                Some(message) => Status::error(message),
                None if said.is_server_error() => Status::error(""),
                None => Status::Unset,
            },
            attributes: said.attributes,
            dropped_attributes_count: 0,
            events,
            links: SpanLinks::default(),
            instrumentation_scope: self.traces.scope.clone(),
        });
    }
}

impl<S> Layer<S> for Spans
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let first = span.name() == REQUEST;
        let above = span.parent().and_then(|parent| parent.extensions().get::<Place>().copied());
        let place = above.map(Place::child).unwrap_or_else(|| {
            let mut asked = Asked(None);
            attributes.record(&mut asked);
            asked.0.and_then(|request| Place::of_request(&request, first)).unwrap_or_else(Place::alone)
        });
        let mut extensions = span.extensions_mut();
        extensions.insert(place);
        if place.is_sampled(self.traces.sample) {
            let mut said = Said { first, ..Said::default() };
            attributes.record(&mut said);
            extensions.insert(Open { place, started: now(), said, events: SpanEvents::default(), failed: None });
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(open) = span.extensions_mut().get_mut::<Open>()
        {
            values.record(&mut open.said);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let level = *event.metadata().level();
        if level > Level::WARN {
            return;
        }
        let Some(span) = context.event_span(event) else { return };
        let mut extensions = span.extensions_mut();
        let Some(open) = extensions.get_mut::<Open>() else { return };
        let mut said = Said::default();
        event.record(&mut said);
        let message = said.message.unwrap_or_default();
        if level == Level::ERROR {
            open.failed = Some(message.clone());
        }
        if open.events.events.len() < EVENTS {
            open.events.events.push(SpanEvent::new(message, now(), said.attributes, 0));
        } else {
            open.events.dropped_count += 1;
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let open = span.extensions_mut().remove::<Open>();
        if let Some(open) = open {
            self.close(span.name(), open);
        }
    }
}

/// On whose behalf a span is.
struct Asked(Option<String>);

impl Visit for Asked {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "request_id" {
            self.0 = Some(format!("{value:?}"));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

/// What a span or an event says of itself.
#[derive(Default)]
struct Said {
    attributes: Vec<KeyValue>,
    message: Option<String>,
    first: bool,
    status: i64,
}

impl Said {
    /// What OpenTelemetry calls a request: its method and where it was routed.
    fn name(&self) -> Option<String> {
        let value = |name: &str| self.attributes.iter().find(|said| said.key.as_str() == name).map(|said| &said.value);
        let (method, route) = (value("http.request.method")?, value("http.route")?);
        Some(format!("{method} {route}"))
    }

    fn is_server_error(&self) -> bool {
        self.status >= 500
    }

    fn add(&mut self, field: &Field, value: impl Into<Value>) {
        let key = match field.name() {
            "method" => "http.request.method".into(),
            "path" => "url.path".into(),
            "route" => "http.route".into(),
            "status" => "http.response.status_code".into(),
            other => format!("humilis.{other}"),
        };
        self.attributes.push(KeyValue::new(key, value));
    }
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = format!("{value:?}");
        text.truncate(text.floor_char_boundary(LONGEST));
        match field.name() {
            "message" => self.message = Some(text),
            _ => self.add(field, text),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        if field.name() == "status" {
            self.status = value;
        }
        self.add(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.record_i64(field, i64::try_from(value).unwrap_or(i64::MAX));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value);
    }
}

/// Traces of several machines are laid side by side by the time of day.
fn now() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::{InstrumentationScope, SpanId};
    use opentelemetry_sdk::trace::{BatchSpanProcessor, InMemorySpanExporter};
    use std::sync::Arc;
    use tracing_subscriber::layer::SubscriberExt as _;

    const REQUEST_ID: &str = "req-0f8fad5b-d9cb-469f-a165-70867728950e";

    /// The spans that are sent of what `work` does, in the order of their ends.
    fn sent(sample: f64, work: impl FnOnce()) -> Vec<SpanData> {
        let exporter = InMemorySpanExporter::default();
        let processor = Arc::new(BatchSpanProcessor::builder(exporter.clone()).build());
        let traces = Traces { processor, sample, scope: InstrumentationScope::builder("test").build() };
        tracing::subscriber::with_default(tracing_subscriber::registry().with(traces.layer()), work);
        traces.processor.force_flush().unwrap();
        exporter.get_finished_spans().unwrap()
    }

    fn value<'a>(span: &'a SpanData, key: &str) -> Option<&'a Value> {
        span.attributes.iter().find(|said| said.key.as_str() == key).map(|said| &said.value)
    }

    #[test]
    fn a_request_is_the_first_span_of_the_trace_of_its_id() {
        let spans = sent(1.0, || {
            let span = tracing::info_span!(
                "http.request",
                method = %"GET",
                path = "/v3/users/1",
                route = "/v3/users/{id}",
                status = tracing::field::Empty,
                request_id = REQUEST_ID
            );
            let _inside = span.enter();
            tracing::debug_span!("below", name = "x").in_scope(|| tracing::warn!(left = 3, "little is left"));
            span.record("status", 503_u16);
        });
        let [below, first] = spans.as_slice() else { panic!("{spans:?}") };
        assert_eq!(first.name, "GET /v3/users/{id}");
        assert_eq!((&first.span_kind, first.parent_span_id), (&SpanKind::Server, SpanId::INVALID));
        assert_eq!(first.span_context.trace_id().to_string(), "0f8fad5bd9cb469fa16570867728950e");
        assert_eq!(value(first, "http.response.status_code"), Some(&Value::I64(503)));
        assert!(matches!(first.status, Status::Error { .. }));
        assert_eq!(below.parent_span_id, first.span_context.span_id());
        assert_eq!(below.span_context.trace_id(), first.span_context.trace_id());
        assert_eq!(value(below, "humilis.name"), Some(&Value::from("x")));
        assert_eq!((below.events.len(), below.events[0].name.as_ref()), (1, "little is left"));
        assert_eq!(below.status, Status::Unset);
    }

    #[test]
    fn what_is_done_later_on_a_request_s_behalf_hangs_below_it() {
        let spans = sent(1.0, || {
            let span = tracing::info_span!("guest.start", request_id = REQUEST_ID);
            span.in_scope(|| tracing::error!("it does not start"));
        });
        assert_eq!(spans[0].parent_span_id.to_string(), "a16570867728950e");
        assert!(spans[0].parent_span_is_remote);
        assert_eq!(spans[0].status, Status::error("it does not start"));
    }

    #[test]
    fn a_text_that_a_client_chose_is_cut() {
        let spans = sent(1.0, || drop(tracing::info_span!("http.request", path = "é".repeat(LONGEST))));
        let Some(Value::String(path)) = value(&spans[0], "url.path") else { panic!("{spans:?}") };
        assert_eq!(path.as_str().len(), LONGEST);
    }

    #[test]
    fn what_nobody_asked_for_is_a_trace_of_its_own() {
        let spans = sent(1.0, || drop(tracing::info_span!("guest.start", request_id = tracing::field::Empty)));
        assert_eq!((spans.len(), spans[0].parent_span_id), (1, SpanId::INVALID));
    }

    #[test]
    fn what_is_not_sampled_is_not_sent_nor_anything_below_it() {
        let spans = sent(0.0, || {
            let span = tracing::info_span!("http.request", request_id = REQUEST_ID).entered();
            drop(tracing::info_span!("below"));
            drop(span);
        });
        assert!(spans.is_empty(), "{spans:?}");
    }
}

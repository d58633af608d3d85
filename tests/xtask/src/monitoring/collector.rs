//! Where traces go in this suite: a collector that keeps all spans, and what must be among them.

use anyhow::{Result, ensure};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{ResourceSpans, Span},
};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tonic::{
    Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};

/// Where it listens.
const ADDRESS: &str = "127.0.0.1:4317";
/// Programs send what they have every five seconds.
const PATIENCE: Duration = Duration::from_secs(20);
/// What a server's making is seen to be, by each program.
const WANTED: [(&str, &str); 6] = [
    ("controller", "POST /v2.1/servers"),
    ("controller", "operation.step"),
    ("hostd", "guest.start"),
    ("hostd", "guest.prepare.disks"),
    ("hostd", "guest.prepare.ports"),
    ("hostd", "guest.spawn"),
];

/// A collector.
#[derive(Clone, Default)]
pub(super) struct Collector(Arc<Mutex<Vec<Seen>>>);

/// A span as it came, with the program that sent it.
#[derive(Clone)]
struct Seen {
    program: String,
    span: Span,
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let spans = request.into_inner().resource_spans.into_iter().flat_map(seen);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(spans);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    /// Starts it; to be called inside the runtime.
    pub(super) fn start() -> Result<Self> {
        let collector = Self::default();
        let server = Server::builder().add_service(TraceServiceServer::new(collector.clone()));
        let listener = TcpIncoming::bind(ADDRESS.parse()?)?;
        tokio::spawn(server.serve_with_incoming(listener));
        Ok(collector)
    }

    /// What programs are told of it.
    pub(super) fn endpoint() -> String {
        format!("http://{ADDRESS}")
    }

    /// The request that made a server is one trace from the API to the guest's process, found by the request's id.
    pub(super) async fn check(&self, request: &str) -> Result<()> {
        let trace = request.trim_start_matches("req-").replace('-', "");
        let end = Instant::now() + PATIENCE;
        let spans = loop {
            let spans = self.of(&trace);
            let names: BTreeSet<_> =
                spans.iter().map(|seen| (seen.program.as_str(), seen.span.name.as_str())).collect();
            let missing: Vec<_> = WANTED.iter().filter(|wanted| !names.contains(*wanted)).collect();
            if missing.is_empty() {
                break spans;
            }
            ensure!(Instant::now() < end, "the trace of {request} has no {missing:?}, but {names:?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        };
        let ids: BTreeSet<_> = spans.iter().map(|seen| seen.span.span_id.clone()).collect();
        let (first, others): (Vec<_>, Vec<_>) = spans.iter().partition(|seen| seen.span.parent_span_id.is_empty());
        ensure!(first.len() == 1, "the trace of {request} begins {} times", first.len());
        let lost = others.iter().find(|seen| !ids.contains(&seen.span.parent_span_id));
        ensure!(lost.is_none(), "a span has no place in its trace: {:?}", lost.map(|seen| &seen.span.name));
        let status = attribute(&first[0].span.attributes, "http.response.status_code");
        ensure!(status == Some(&Value::IntValue(202)), "the request's status is {status:?}");
        println!("  a server's trace has {} spans of controller and hostd", spans.len());
        Ok(())
    }

    fn of(&self, trace: &str) -> Vec<Seen> {
        let spans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        spans.iter().filter(|seen| hex(&seen.span.trace_id) == trace).cloned().collect()
    }
}

fn seen(spans: ResourceSpans) -> impl Iterator<Item = Seen> {
    let attributes = spans.resource.map(|resource| resource.attributes).unwrap_or_default();
    let program = match attribute(&attributes, "service.name") {
        Some(Value::StringValue(name)) => name.clone(),
        _ => String::new(),
    };
    let spans = spans.scope_spans.into_iter().flat_map(|scope| scope.spans);
    spans.map(move |span| Seen { program: program.clone(), span })
}

fn attribute<'a>(attributes: &'a [KeyValue], name: &str) -> Option<&'a Value> {
    attributes.iter().find(|pair| pair.key == name)?.value.as_ref()?.value.as_ref()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

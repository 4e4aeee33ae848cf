//! From spans that are over to the collector: a bounded queue that nobody waits for, and one task that empties it.

use std::time::Duration;

use domain::Timestamp;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};

use super::config::{Road, TraceConfig, TraceError};
use super::context::TraceContext;
use super::span::Kind;
use crate::clock::Stopwatch;
use crate::tls::{ChannelOptions, ClientTls, ClientTlsConfig, ServerIdentity};

/// Spans in one call.
const MOST_TOGETHER: usize = 512;
/// How long spans gather before they go.
const GATHER: Duration = Duration::from_millis(500);
/// How long the collector may take, and how long a process that ends waits for it.
const TIMEOUT: Duration = Duration::from_secs(5);
const LAST: Duration = Duration::from_secs(2);
/// A collector that has no time now is asked once more, after this.
const PAUSE: Duration = Duration::from_secs(1);
/// A collector that is away is told of in the log no more often.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// Who sends the spans.
#[derive(Clone, Debug)]
pub struct Service {
    /// `service.name`, such as `bankhub-hub`.
    pub name: &'static str,
    /// `service.instance.id`: the replica, the bank, the terminal.
    pub instance: String,
    /// `service.namespace`.
    pub federation: String,
}

/// A span that is over.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) context: TraceContext,
    pub(super) parent: Option<[u8; 8]>,
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) started_at: Timestamp,
    pub(super) took: Duration,
    pub(super) notes: Vec<(&'static str, String)>,
    pub(super) links: Vec<TraceContext>,
    pub(super) failed: bool,
}

/// Where spans wait for the collector.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: mpsc::Sender<Ended>,
}

impl Queue {
    /// Nobody waits for room here: tracing never holds up what it traces.
    pub(super) fn push(&self, span: Ended) {
        if self.waiting.try_send(span).is_err() {
            count("dropped", 1);
        }
    }
}

/// Spans on their way. Whoever ends the process calls [`Exporting::finish`], so that the last of them arrive.
#[derive(Debug)]
pub struct Exporting {
    stop: CancellationToken,
    task: Option<tokio::task::JoinHandle<()>>,
}

impl Exporting {
    pub(super) fn nothing() -> Self {
        Self { stop: CancellationToken::new(), task: None }
    }

    /// Sends what is left, for no longer than a moment.
    pub async fn finish(self) {
        self.stop.cancel();
        if let Some(task) = self.task {
            let _ = tokio::time::timeout(LAST, task).await;
        }
    }
}

/// Starts the task that sends spans; None where they are to be sent nowhere.
pub(super) fn start(config: &TraceConfig, service: &Service) -> Result<Option<(Queue, Exporting)>, TraceError> {
    let Some(road) = config.road()? else { return Ok(None) };
    let channel = channel(road, service)?;
    let (waiting, queue) = mpsc::channel(config.queue);
    let stop = CancellationToken::new();
    let sending = Sending {
        client: TraceServiceClient::new(channel),
        resource: resource(service),
        told: None,
        stop: stop.clone(),
    };
    let task = Some(tokio::spawn(sending.run(queue)));
    Ok(Some((Queue { waiting }, Exporting { stop, task })))
}

fn channel(road: Road<'_>, service: &Service) -> Result<Channel, TraceError> {
    match road {
        Road::Here(endpoint) => {
            let unreadable = |_| TraceError::Endpoint(endpoint.to_owned());
            Ok(Endpoint::from_shared(endpoint.to_owned()).map_err(unreadable)?.connect_lazy())
        }
        Road::Tls { endpoint, ca } => {
            let files = ClientTlsConfig { certificate: None, key: None, server_ca: ca };
            let tls = ClientTls::load(&files, &service.federation)?;
            Ok(tls.channel(endpoint, ServerIdentity::Host, &ChannelOptions::default())?)
        }
    }
}

struct Sending {
    client: TraceServiceClient<Channel>,
    resource: Resource,
    told: Option<Stopwatch>,
    stop: CancellationToken,
}

impl Sending {
    async fn run(mut self, mut queue: mpsc::Receiver<Ended>) {
        loop {
            let mut spans = Vec::new();
            tokio::select! {
                biased;
                received = queue.recv_many(&mut spans, MOST_TOGETHER) => if received == 0 { return },
                () = self.stop.cancelled() => return,
            }
            // More come while the first waits; when the process ends, they go at once.
            let gathered = async {
                tokio::time::sleep(GATHER).await;
            };
            if spans.len() < MOST_TOGETHER {
                let _ = self.stop.clone().run_until_cancelled(gathered).await;
            }
            while spans.len() < MOST_TOGETHER
                && let Ok(span) = queue.try_recv()
            {
                spans.push(span);
            }
            self.send(spans).await;
        }
    }

    async fn send(&mut self, spans: Vec<Ended>) {
        let sent = u64::try_from(spans.len()).unwrap_or(u64::MAX);
        let request = self.request(spans);
        let mut answer = self.ask(request.clone()).await;
        if matches!(answer, Err(Code::Unavailable | Code::ResourceExhausted)) && !self.stop.is_cancelled() {
            let _ = self.stop.clone().run_until_cancelled(tokio::time::sleep(PAUSE)).await;
            answer = self.ask(request).await;
        }
        match answer {
            Ok(rejected) => {
                let rejected = rejected.min(sent);
                count("exported", sent - rejected);
                count("refused", rejected);
            }
            Err(code) => {
                count("failed", sent);
                self.tell(code);
            }
        }
    }

    /// How many spans the collector does not want.
    async fn ask(&mut self, request: ExportTraceServiceRequest) -> Result<u64, Code> {
        match tokio::time::timeout(TIMEOUT, self.client.export(request)).await {
            Ok(Ok(answer)) => {
                let rejected = answer.into_inner().partial_success.map_or(0, |partial| partial.rejected_spans);
                Ok(u64::try_from(rejected).unwrap_or(0))
            }
            Ok(Err(status)) => Err(status.code()),
            Err(_) => Err(Code::DeadlineExceeded),
        }
    }

    fn tell(&mut self, code: Code) {
        if self.told.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
            self.told = Some(Stopwatch::start());
            tracing::warn!(?code, "the collector of traces does not take spans; they are lost until it does");
        }
    }

    fn request(&self, spans: Vec<Ended>) -> ExportTraceServiceRequest {
        let scope = InstrumentationScope {
            name: "bankhub".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..InstrumentationScope::default()
        };
        let spans = spans.into_iter().map(to_wire).collect();
        let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }];
        let resource = Some(self.resource.clone());
        ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }],
        }
    }
}

/// Counts spans by what became of them. Nobody sees a trace with a hole in it who cannot see that there are holes.
fn count(result: &'static str, spans: u64) {
    if spans > 0 {
        metrics::counter!("bankhub_trace_spans_total", "result" => result).increment(spans);
    }
}

fn resource(service: &Service) -> Resource {
    let attributes = [
        ("service.name", service.name),
        ("service.version", env!("CARGO_PKG_VERSION")),
        ("service.instance.id", &service.instance),
        ("service.namespace", &service.federation),
    ];
    let attributes = attributes.into_iter().map(|(name, value)| attribute(name, value.to_owned())).collect();
    Resource { attributes, ..Resource::default() }
}

fn attribute(name: &str, value: String) -> KeyValue {
    let value = Some(AnyValue { value: Some(Value::StringValue(value)) });
    KeyValue { key: name.to_owned(), value, ..KeyValue::default() }
}

fn to_wire(span: Ended) -> Span {
    let started = u64::try_from(span.started_at.micros()).unwrap_or(0).saturating_mul(1000);
    let took = u64::try_from(span.took.as_nanos()).unwrap_or(u64::MAX);
    let kind = match span.kind {
        Kind::Internal => SpanKind::Internal,
        Kind::Server => SpanKind::Server,
        Kind::Client => SpanKind::Client,
    };
    let link = |other: TraceContext| Link {
        trace_id: other.trace.0.to_vec(),
        span_id: other.span.to_vec(),
        ..Link::default()
    };
    let code = if span.failed { StatusCode::Error } else { StatusCode::Unset };
    Span {
        trace_id: span.context.trace.0.to_vec(),
        span_id: span.context.span.to_vec(),
        parent_span_id: span.parent.map(Vec::from).unwrap_or_default(),
        name: span.name,
        kind: kind.into(),
        start_time_unix_nano: started,
        end_time_unix_nano: started.saturating_add(took),
        attributes: span.notes.into_iter().map(|(name, value)| attribute(name, value)).collect(),
        links: span.links.into_iter().map(link).collect(),
        status: Some(Status { code: code.into(), ..Status::default() }),
        ..Span::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended() -> Ended {
        let context = TraceContext::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        Ended {
            context: context.unwrap(),
            parent: None,
            name: "hold".to_owned(),
            kind: Kind::Client,
            started_at: Timestamp::from_secs(1_700_000_000),
            took: Duration::from_micros(1500),
            notes: vec![("bankhub.bank", "bank-a".to_owned())],
            links: Vec::new(),
            failed: true,
        }
    }

    #[test]
    fn a_span_is_told_with_its_time_and_its_place() {
        let told = to_wire(ended());
        assert_eq!((told.trace_id.len(), told.span_id.len(), told.parent_span_id.len()), (16, 8, 0));
        assert_eq!(told.start_time_unix_nano, 1_700_000_000_000_000_000);
        assert_eq!(told.end_time_unix_nano - told.start_time_unix_nano, 1_500_000);
        assert_eq!((told.kind, told.status.unwrap().code), (SpanKind::Client.into(), StatusCode::Error.into()));
        let below = to_wire(Ended { parent: Some([7; 8]), ..ended() });
        assert_eq!(below.parent_span_id, vec![7; 8]);
    }

    #[test]
    fn a_full_queue_drops_spans_and_counts_them() {
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            let (waiting, _queue) = mpsc::channel(2);
            let queue = Queue { waiting };
            (0..5).for_each(|_| queue.push(ended()));
        });
        let text = recorder.handle().render();
        assert!(text.contains("bankhub_trace_spans_total{result=\"dropped\"} 3"), "{text}");
    }

    #[tokio::test]
    async fn a_collector_that_is_away_costs_spans_and_nothing_else() {
        let config = TraceConfig { endpoint: Some("http://127.0.0.1:9".to_owned()), ..TraceConfig::default() };
        let service = Service { name: "till", instance: "1".to_owned(), federation: "test".to_owned() };
        let (queue, exporting) = start(&config, &service).unwrap().unwrap();
        queue.push(ended());
        exporting.finish().await;
    }
}

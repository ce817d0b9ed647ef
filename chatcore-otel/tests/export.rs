//! The export to a collector. The environment of a process cannot be changed safely, so each test runs a server in a process of its own.
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail by panicking")]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    process::{Command, Output},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use chatcore::{Chat, Principal, identity::NoTokens, model::UserId};
use chatcore_otel::Export;
use chatcore_poem::ChatFrontend;
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::any_value::Value,
    trace::v1::{Span, span::SpanKind},
};
use poem::{Endpoint as _, EndpointExt as _, Request, Route, http::Method};
use prost::Message as _;
use tracing_subscriber::Layer as _;
use tracing_subscriber::{filter::LevelFilter, layer::SubscriberExt as _, util::SubscriberInitExt as _};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// The process under test: a server that answers two requests, one of them of a trace, and ends.
#[test]
#[ignore = "the other tests start it with an environment"]
fn server() {
    let export = Export::from_environment().unwrap();
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_filter(LevelFilter::INFO);
    tracing_subscriber::registry().with(lines).with(export.as_ref().map(Export::layer)).init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let frontend = ChatFrontend::new(Chat::in_memory(), NoTokens);
        let app = frontend.mount(Route::new()).with(frontend.problems());
        for parent in [Some(PARENT), None] {
            let request = Request::builder().method(Method::POST).uri_str("/api/v1/chat/sessions");
            let request = request.header("content-type", "application/json").header("x-request-id", "an-id");
            let request = parent.into_iter().fold(request, |request, parent| request.header("traceparent", parent));
            let mut request = request.header("tracestate", "a=1").body("{\"title\": \"A title\"}");
            request.extensions_mut().insert(Principal::new(UserId::new("ada").unwrap()));
            assert_eq!(app.call(request).await.unwrap().status(), 201);
        }
    });
    if let Some(export) = export {
        export.shut_down(Duration::from_secs(5));
    }
}

fn run(environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["server", "--exact", "--ignored", "--nocapture"]);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("OTEL_")) {
        command.env_remove(name);
    }
    let output = command.envs(environment.iter().copied()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

/// A collector, with what it gets.
struct Collector {
    endpoint: String,
    requests: Receiver<(String, ExportTraceServiceRequest)>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (sender, requests) = mpsc::channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = BufReader::new(stream.unwrap());
                loop {
                    let (mut head, mut length) = (String::new(), 0);
                    while !head.ends_with("\r\n\r\n") {
                        let start = head.len();
                        if stream.read_line(&mut head).unwrap_or(0) == 0 {
                            break;
                        }
                        let line = head[start..].to_lowercase();
                        length =
                            line.strip_prefix("content-length:").map_or(length, |value| value.trim().parse().unwrap());
                    }
                    if head.is_empty() {
                        break;
                    }
                    let mut body = vec![0; length];
                    stream.read_exact(&mut body).unwrap();
                    let _ = sender.send((head, ExportTraceServiceRequest::decode(&*body).unwrap()));
                    stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
                }
            }
        });
        Self { endpoint, requests }
    }

    /// What came since the last look.
    fn taken(&self) -> Vec<(String, ExportTraceServiceRequest)> {
        self.requests.try_iter().collect()
    }
}

fn spans(requests: &[(String, ExportTraceServiceRequest)]) -> Vec<&Span> {
    let resources = requests.iter().flat_map(|(_, request)| &request.resource_spans);
    resources.flat_map(|resource| &resource.scope_spans).flat_map(|scope| &scope.spans).collect()
}

fn attribute(span: &Span, name: &str) -> Option<String> {
    let value = span.attributes.iter().find(|attribute| attribute.key == name)?.value.as_ref()?.value.as_ref()?;
    match value {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        other => panic!("{other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_collector_gets_the_spans_of_a_request_within_the_trace_of_its_caller() {
    let collector = Collector::start();
    let output = run(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint), ("OTEL_SERVICE_NAME", "a-chat")]);
    let requests = collector.taken();
    assert!(requests[0].0.starts_with("POST /v1/traces ") && requests[0].0.contains("application/x-protobuf"));
    let resource = requests[0].1.resource_spans[0].resource.as_ref().unwrap();
    let service = resource.attributes.iter().find(|attribute| attribute.key == "service.name").unwrap();
    assert_eq!(service.value.as_ref().unwrap().value, Some(Value::StringValue("a-chat".to_owned())));

    let spans = spans(&requests);
    let (_, rest) = PARENT.split_once('-').unwrap();
    let (trace, caller) = rest.split_at(32);
    let of_caller: Vec<_> = spans.iter().filter(|span| hex(&span.trace_id) == trace).collect();
    let named =
        |name: &str| *of_caller.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("{name}: {spans:#?}"));
    let request = named("createSession");
    assert_eq!((hex(&request.parent_span_id).as_str(), request.kind()), (&caller[1..17], SpanKind::Server));
    assert_eq!(request.trace_state, "a=1");
    for (name, value) in [("request_id", "an-id"), ("status", "201"), ("user", "ada"), ("trace_id", trace)] {
        assert_eq!(attribute(request, name).as_deref(), Some(value), "{request:#?}");
    }
    let use_case = named("create_session");
    assert_eq!(use_case.parent_span_id, request.span_id);
    assert_eq!(named("store.commit").trace_id, request.trace_id);
    assert!(of_caller.iter().any(|span| span.name == "store.commit" && span.parent_span_id == use_case.span_id));
    assert!(!format!("{spans:?}").contains("A title"));

    // A request without a caller's trace begins one, and the log names it.
    let begun = spans.iter().find(|span| span.name == "createSession" && hex(&span.trace_id) != trace).unwrap();
    assert!(begun.parent_span_id.is_empty());
    let log = String::from_utf8(output.stderr).unwrap();
    for trace in [trace, &hex(&begun.trace_id)] {
        assert!(log.contains(&format!("trace_id=\"{trace}\"")) || log.contains(trace), "{trace}: {log}");
    }
}

#[test]
fn the_environment_says_whether_and_what_is_exported() {
    let collector = Collector::start();
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint.as_str());
    run(&[endpoint, ("OTEL_SDK_DISABLED", "true")]);
    run(&[endpoint, ("OTEL_TRACES_SAMPLER", "always_off")]);
    assert_eq!(collector.taken().len(), 0);
    // The caller recorded its span, so the spans here are recorded, too.
    run(&[endpoint, ("OTEL_TRACES_SAMPLER", "parentbased_always_off")]);
    let requests = collector.taken();
    let spans = spans(&requests);
    assert!(!spans.is_empty() && spans.iter().all(|span| hex(&span.trace_id) == PARENT[3..35]), "{spans:#?}");
    run(&[]);
    assert_eq!(collector.taken().len(), 0);
}

#[test]
fn a_collector_that_is_away_costs_one_warning() {
    let nowhere = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let output = run(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{nowhere}"))]);
    let log = String::from_utf8(output.stderr).unwrap();
    let warnings: Vec<_> = log.lines().filter(|line| line.contains("WARN") || line.contains("ERROR")).collect();
    assert!(warnings.len() == 1 && warnings[0].contains("collector"), "{log}");
}

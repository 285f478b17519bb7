//! Traces for OpenTelemetry: spans of requests and calls, sent by OTLP over HTTP to the operator's collector. Off unless an endpoint is set.
//!
//! Only spans leave, never log lines: what a line may say is scrubbed for the log alone. W3C trace context is taken from the request's
//! headers and from a message's `_meta` (which names the call, and so wins), and passed on to the worker's `_meta`; `baggage` is neither
//! read nor passed. Whether a trace is kept is decided here by its id, not by the flag that a stranger sends.

use std::sync::OnceLock;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use forgejo::gateway::{RequestClass, Trace};
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator as _};
use opentelemetry::trace::{TraceContextExt as _, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use serde::Deserialize;
use tokio::runtime::Handle;
use tracing::{Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

use crate::build_info::{BUILD, SERVICE};
use crate::config::TracesConfig;

/// The members of a carrier that count.
const MEMBERS: [&str; 2] = ["traceparent", "tracestate"];
/// How long the collector may take over a batch, and over the last one at the end.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether spans go anywhere; unset is no.
static ON: OnceLock<()> = OnceLock::new();

/// Sends what has not been sent yet when it ends.
#[derive(Debug)]
pub struct Traces(Option<SdkTracerProvider>);

/// Our HTTP client as the exporter wants it. The exporter's thread is none of the runtime's.
#[derive(Debug)]
struct Client {
    http: reqwest::Client,
    runtime: Handle,
}

/// `traceparent` and `tracestate`, and nothing else.
#[derive(Default)]
struct Carrier([Option<String>; 2]);

/// What of a message matters here.
#[derive(Deserialize)]
struct Peek {
    #[serde(default)]
    method: String,
    id: Option<serde::de::IgnoredAny>,
    params: Option<PeekParams>,
}

#[derive(Deserialize)]
struct PeekParams {
    #[serde(rename = "_meta")]
    meta: Option<PeekMeta>,
}

#[derive(Deserialize)]
struct PeekMeta {
    traceparent: Option<String>,
    tracestate: Option<String>,
}

// === impl Traces ===

impl Traces {
    /// The layer that sees spans, if there is somewhere to send them.
    pub(super) fn start<S>(
        config: &TracesConfig,
        runtime: &Handle,
    ) -> Result<(Self, Option<impl Layer<S> + use<S>>), anyhow::Error>
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        let Some(endpoint) = &config.endpoint else {
            return Ok((Self(None), None));
        };
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().context("traces-endpoint")?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Client { http, runtime: runtime.clone() })
            .with_endpoint(endpoint)
            .with_timeout(PATIENCE)
            .build()
            .context("traces-endpoint")?;
        let resource = Resource::builder_empty()
            .with_attributes([
                KeyValue::new("service.name", SERVICE),
                KeyValue::new("service.version", BUILD.version),
                KeyValue::new("service.revision", BUILD.revision),
            ])
            .build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(Sampler::TraceIdRatioBased(config.ratio))
            .with_resource(resource)
            .build();
        let tracer: SdkTracer = provider.tracer(SERVICE);
        let layer = tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(filter_fn(|metadata| metadata.is_span() && metadata.target().starts_with("broker::")));
        let _ = ON.set(());
        Ok((Self(Some(provider)), Some(layer)))
    }

    /// Sends what is left. Blocks, for a few seconds at most; the runtime has to be alive.
    pub fn end(self) {
        if let Some(provider) = self.0
            && let Err(error) = provider.shutdown_with_timeout(PATIENCE)
        {
            tracing::warn!(error = %error, "the last traces could not be sent");
        }
    }
}

/// Puts a request's span into the trace that its headers name.
pub(crate) fn adopt(span: &Span, headers: &HeaderMap) {
    if ON.get().is_none() {
        return;
    }
    // A header that is there twice names no trace.
    let one = |name: &str| {
        let mut values = headers.get_all(name).iter();
        let value = values.next()?.to_str().ok()?.to_owned();
        values.next().is_none().then_some(value)
    };
    let [parent, state] = MEMBERS.map(one);
    if let Some(context) = (Carrier([parent, state])).context() {
        // It can only fail if there is no layer.
        let _ = span.set_parent(context);
    }
}

/// Notes how a request was answered.
pub(crate) fn answered(span: &Span, status: http::StatusCode) {
    if ON.get().is_some() {
        span.set_attribute("http.response.status_code", i64::from(status.as_u16()));
    }
}

/// The span of a call, and its body with our trace context in `_meta`, if spans go anywhere and the body is one request.
///
/// A call whose `_meta` names a trace belongs to that one, any other to its HTTP request's.
pub(crate) fn call(body: &Bytes) -> Option<(Span, Bytes)> {
    ON.get()?;
    let peek: Peek = serde_json::from_slice(body).ok()?;
    peek.id?;
    let request = Span::current();
    let span = tracing::error_span!("call", mcp.method = method(&peek.method));
    let named = peek
        .params
        .and_then(|params| params.meta)
        .and_then(|meta| Carrier([meta.traceparent, meta.tracestate]).context());
    if let Some(context) = named
        && span.set_parent(context).is_ok()
    {
        span.add_link(request.context().span().span_context().clone());
    }
    let mut carrier = Carrier::default();
    TraceContextPropagator::new().inject_context(&span.context(), &mut carrier);
    let members: Vec<(&'static str, String)> = MEMBERS
        .into_iter()
        .zip(carrier.0)
        .filter_map(|(name, value)| Some((name, value.filter(|text| !text.is_empty())?)))
        .collect();
    let marked = bridge::trace_context::carry(body, &members)?;
    Some((span, marked))
}

/// The span of a worker's request to Forgejo, and what Forgejo is told of it, if spans go anywhere.
///
/// It belongs to the trace that the worker names; a worker that names none has one of its own for each request. A path, which tells what
/// somebody works on, is not in it.
pub(crate) fn forwarding(method: &Method, class: RequestClass, parent: Option<&HeaderValue>) -> Option<Trace> {
    ON.get()?;
    let class = match class {
        RequestClass::Read => "read",
        RequestClass::Write => "write",
        RequestClass::Download => "download",
    };
    let span = tracing::error_span!(
        parent: None,
        "gateway",
        otel.kind = "client",
        http.request.method = method.as_str(),
        forgejo.request = class
    );
    let parent = parent.and_then(|value| value.to_str().ok()).map(str::to_owned);
    if let Some(context) = Carrier([parent, None]).context() {
        // It can only fail if there is no layer.
        let _ = span.set_parent(context);
    }
    let mut carrier = Carrier::default();
    TraceContextPropagator::new().inject_context(&span.context(), &mut carrier);
    let [traceparent, _] = carrier.0;
    let traceparent = traceparent.and_then(|text| HeaderValue::try_from(text).ok());
    Some(Trace { span, traceparent })
}

/// A method's name, unless a stranger made it up.
fn method(name: &str) -> &'static str {
    const KNOWN: [&str; 14] = [
        "initialize",
        "ping",
        "tools/list",
        "tools/call",
        "resources/list",
        "resources/templates/list",
        "resources/read",
        "resources/subscribe",
        "resources/unsubscribe",
        "prompts/list",
        "prompts/get",
        "completion/complete",
        "logging/setLevel",
        "server/discover",
    ];
    KNOWN.into_iter().find(|known| *known == name).unwrap_or("other")
}

/// The form of W3C Trace Context §3.2, about which the library is lenient.
fn is_well_formed(traceparent: &str) -> bool {
    let hexadecimal = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let parts: Vec<&str> = traceparent.split('-').collect();
    let lengths = parts.iter().map(|part| part.len());
    parts.iter().all(|part| hexadecimal(part)) && lengths.eq([2, 32, 16, 2]) && parts[0] != "ff"
}

// === impl Carrier ===

impl Carrier {
    /// The remote span, if it is well-formed.
    fn context(&self) -> Option<Context> {
        if !self.0[0].as_deref().is_some_and(is_well_formed) {
            return None;
        }
        let context = TraceContextPropagator::new().extract_with_context(&Context::new(), self);
        context.span().span_context().is_valid().then_some(context)
    }
}

impl Extractor for Carrier {
    fn get(&self, key: &str) -> Option<&str> {
        let index = MEMBERS.iter().position(|member| *member == key)?;
        self.0[index].as_deref()
    }

    fn keys(&self) -> Vec<&str> {
        MEMBERS.to_vec()
    }
}

impl Injector for Carrier {
    fn set(&mut self, key: &str, value: String) {
        if let Some(index) = MEMBERS.iter().position(|member| *member == key) {
            self.0[index] = Some(value);
        }
    }
}

// === impl Client ===

#[async_trait::async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let http = self.http.clone();
        let sent = self.runtime.spawn(async move {
            let answer = http.execute(reqwest::Request::try_from(request)?).await?;
            let mut response = Response::builder().status(answer.status());
            for (name, value) in answer.headers() {
                response = response.header(name, value);
            }
            Ok::<_, HttpError>(response.body(answer.bytes().await?)?)
        });
        sent.await?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn context(parent: &str, state: Option<&str>) -> Option<Context> {
        Carrier([Some(parent.to_owned()), state.map(str::to_owned)]).context()
    }

    #[test]
    fn only_a_well_formed_traceparent_names_a_trace() {
        let found = context(PARENT, Some("vendor=1")).unwrap();
        assert_eq!(found.span().span_context().trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
        let zeros = "00-00000000000000000000000000000000-b7ad6b7169203331-01";
        for bad in ["", "00", zeros, "00-0af7-b7ad6b7169203331-01", &PARENT.replace("00-", "ff-"), "x\r\ny"] {
            assert!(context(bad, None).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_carrier_has_no_room_for_baggage() {
        let mut carrier = Carrier::default();
        carrier.set("baggage", "secret=1".to_owned());
        assert!(carrier.0.iter().all(Option::is_none) && carrier.get("baggage").is_none());
    }

    #[test]
    fn methods_that_nobody_knows_share_one_word() {
        assert_eq!(method("tools/call"), "tools/call");
        assert_eq!(method("tools/call\n"), "other");
    }
}

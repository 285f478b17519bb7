//! Stands between the broker and the stand-in for Forgejo: answers two paths at once, one small and one large, and passes on all others.
//!
//! So that what is measured is the gateway and not the stand-in, with the gateway and without it.

use std::convert::Infallible;

use anyhow::Result;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// A small answer.
pub(super) const SMALL: &str = "/api/v1/repos/alice/depot/issues/1";
/// A large one.
pub(super) const LARGE: &str = "/alice/depot/releases/download/v1/depot.bin";

/// The server, on a thread of its own.
pub(super) struct Depot {
    /// Its address.
    pub(super) url: String,
    runtime: Option<Runtime>,
}

#[derive(Clone)]
struct Behind {
    http: reqwest::Client,
    forgejo: String,
    large: u64,
}

// === impl Depot ===

impl Depot {
    /// Before `forgejo`; the large answer has so many bytes.
    pub(super) fn before(forgejo: &str, large: u64) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build()?;
        let state = Behind { http, forgejo: forgejo.to_owned(), large };
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let url = format!("http://{}", listener.local_addr()?);
        runtime.spawn(async move {
            let router = Router::new().fallback(answer).with_state(state);
            if let Ok(listener) = TcpListener::from_std(listener) {
                // Its end is that of the runtime.
                let _ = axum::serve(listener, router).await;
            }
        });
        Ok(Self { url, runtime: Some(runtime) })
    }
}

impl Drop for Depot {
    fn drop(&mut self) {
        // A runtime can't be waited for within another one.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn answer(State(behind): State<Behind>, request: Request) -> Response {
    match request.uri().path() {
        SMALL => {
            let issue =
                format!(r#"{{"id":1,"number":1,"title":"depot","state":"open","body":"{}"}}"#, "x".repeat(1500));
            ([(header::CONTENT_TYPE, "application/json")], issue).into_response()
        }
        LARGE => {
            let piece = Bytes::from(vec![0x5a_u8; 256 * 1024]);
            let pieces = behind.large / (256 * 1024);
            let all = futures_util::stream::iter((0..pieces).map(move |_| Ok::<_, Infallible>(piece.clone())));
            let headers = [
                (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
                (header::CONTENT_LENGTH, (pieces * 256 * 1024).to_string()),
            ];
            (headers, Body::from_stream(all)).into_response()
        }
        _ => pass_on(behind, request).await.unwrap_or_else(|_| StatusCode::BAD_GATEWAY.into_response()),
    }
}

async fn pass_on(behind: Behind, request: Request) -> Result<Response> {
    let (parts, body) = request.into_parts();
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let body = axum::body::to_bytes(body, 1 << 20).await?;
    let mut headers = parts.headers;
    headers.remove(header::HOST);
    let sent = behind
        .http
        .request(parts.method, format!("{}{target}", behind.forgejo))
        .headers(headers)
        .body(body)
        .send()
        .await?;
    let mut response = Response::builder().status(sent.status());
    for (name, value) in sent.headers() {
        if name != header::TRANSFER_ENCODING && name != header::CONTENT_LENGTH {
            response = response.header(name, value);
        }
    }
    Ok(response.body(Body::from(sent.bytes().await?))?)
}

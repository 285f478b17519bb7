//! A loopback proxy before the broker that changes nothing and notes what is asked, so that what a client did is known from the wire and not
//! from its own account.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use parking_lot::Mutex;
use reqwest::header::{self, HeaderMap};
use reqwest::{Client, Method, StatusCode};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

const LARGEST_BODY: usize = 8 << 20;

/// One request and how it was answered.
#[derive(Debug, Clone)]
pub struct Seen {
    /// HTTP method.
    pub method: Method,
    /// Path without query.
    pub path: String,
    /// `MCP-Protocol-Version`, if there was one.
    pub revision: Option<String>,
    /// JSON-RPC method of the body, or the `grant_type` of a token request.
    pub asked: Option<String>,
    /// Whether it named a session.
    pub has_session: bool,
    /// Status of the answer.
    pub status: StatusCode,
}

/// A running proxy; it ends when this is dropped.
pub struct Witness {
    /// Where it listens.
    pub port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

#[derive(Clone)]
struct Road {
    http: Client,
    target: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

// === impl Witness ===

impl Witness {
    /// Starts it in front of `target`.
    ///
    /// # Errors
    /// When nothing can be listened on.
    pub async fn before(target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot listen")?;
        let port = listener.local_addr()?.port();
        let http = Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build()?;
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let road = Road { http, target, seen: Arc::clone(&seen) };
        let router = Router::new().fallback(pass).with_state(road);
        // It goes on until it is aborted.
        let task = tokio::spawn(async move { drop(axum::serve(listener, router).await) });
        Ok(Self { port, seen, task })
    }

    /// What was asked since this was called last, in order.
    #[must_use]
    pub fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.seen.lock())
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(State(road): State<Road>, request: Request) -> Response {
    match road.pass(request).await {
        Ok(response) => response,
        Err(error) => {
            let mut response = Response::new(Body::from(format!("{error:#}")));
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            response
        }
    }
}

// === impl Road ===

impl Road {
    async fn pass(&self, request: Request) -> Result<Response> {
        let (mut parts, body) = request.into_parts();
        let body = to_bytes(body, LARGEST_BODY).await?;
        let path_and_query = parts.uri.path_and_query().map_or("/", |all| all.as_str());
        let url = format!("http://{}{path_and_query}", self.target);
        let asked = asked(&body);
        forget_the_hop(&mut parts.headers);
        let sent = self.http.request(parts.method.clone(), url).headers(parts.headers.clone()).body(body);
        let answer = sent.send().await.context("the broker does not answer")?;
        let text = |name: &str| Some(parts.headers.get(name)?.to_str().ok()?.to_owned());
        self.seen.lock().push(Seen {
            method: parts.method.clone(),
            path: parts.uri.path().to_owned(),
            revision: text("mcp-protocol-version"),
            asked,
            has_session: parts.headers.contains_key("mcp-session-id"),
            status: answer.status(),
        });
        let mut response = Response::new(Body::empty());
        *response.status_mut() = answer.status();
        response.headers_mut().clone_from(answer.headers());
        forget_the_hop(response.headers_mut());
        *response.body_mut() = Body::from_stream(answer.bytes_stream());
        Ok(response)
    }
}

/// What is said between neighbours only; the length is known anew at each.
fn forget_the_hop(headers: &mut HeaderMap) {
    for name in [header::CONNECTION, header::TRANSFER_ENCODING, header::CONTENT_LENGTH] {
        headers.remove(name);
    }
}

fn asked(body: &[u8]) -> Option<String> {
    if let Ok(message) = serde_json::from_slice::<serde_json::Value>(body) {
        return message["method"].as_str().map(str::to_owned);
    }
    url::form_urlencoded::parse(body).find(|(name, _)| name == "grant_type").map(|(_, value)| value.into_owned())
}

//! A reverse proxy, or a Forgejo seen through one, that does one thing wrong: for whoever has to notice it.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::response::{IntoResponse as _, Response};
use futures_util::TryStreamExt as _;
use jiff::fmt::rfc2822::DateTimePrinter;
use reqwest::StatusCode;
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// What it does wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Twist {
    /// Nothing.
    None,
    /// 403 with a page for this user agent.
    Forbids(&'static str),
    /// An answer leaves only when it is complete.
    Buffers,
    /// `X-Forwarded-For` is neither set nor removed.
    LeavesForwardedFor,
    /// It is removed.
    DropsForwardedFor,
    /// `Host` is that of the upstream.
    ChangesHost,
    /// `Date` is so many seconds off.
    ShiftsDate(i64),
    /// `api/v1/version` answers this.
    Version(&'static str),
    /// Everything is redirected there.
    Redirects(String),
}

/// A running front. It ends when dropped.
pub struct Front {
    /// Its origin.
    pub url: String,
    task: JoinHandle<()>,
}

struct Shared {
    upstream: String,
    twist: Twist,
    client: reqwest::Client,
}

// === impl Front ===

impl Front {
    /// Listens on a port of 127.0.0.1 and sends to `upstream`, an origin.
    ///
    /// # Errors
    /// When it can't listen.
    pub async fn start(port: u16, upstream: &str, twist: Twist) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.context("the front cannot listen")?;
        let url = format!("http://{}", listener.local_addr()?);
        let client = crate::broker::http_client()?;
        let shared = Arc::new(Shared { upstream: upstream.to_owned(), twist, client });
        let router = Router::new().fallback(forward).with_state(shared);
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        let task = tokio::spawn(async move {
            // It is stopped from outside.
            let _ = axum::serve(listener, service).await;
        });
        Ok(Self { url, task })
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn forward(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    shared
        .forward(peer, request)
        .await
        .unwrap_or_else(|error| (StatusCode::BAD_GATEWAY, format!("{error:#}")).into_response())
}

// === impl Shared ===

impl Shared {
    async fn forward(&self, peer: SocketAddr, request: Request) -> Result<Response> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        match &self.twist {
            Twist::Redirects(to) => {
                return Ok((StatusCode::MOVED_PERMANENTLY, [(header::LOCATION, format!("{to}{path}"))]).into_response());
            }
            Twist::Forbids(agent) if text(&parts.headers, &header::USER_AGENT).contains(agent) => {
                return Ok((StatusCode::FORBIDDEN, axum::response::Html("Are you human?")).into_response());
            }
            Twist::Version(version) if path.ends_with("/api/v1/version") => {
                return Ok(axum::Json(serde_json::json!({ "version": version })).into_response());
            }
            _ => {}
        }
        let headers = self.headers(peer, parts.headers);
        let body: Bytes = axum::body::to_bytes(body, 8 << 20).await?;
        let url = format!("{}{path}", self.upstream);
        let answer = self.client.request(parts.method, url).headers(headers).body(body).send().await?;
        let status = answer.status();
        let mut headers = answer.headers().clone();
        headers.remove(header::TRANSFER_ENCODING);
        headers.remove(header::CONNECTION);
        if let Twist::ShiftsDate(seconds) = self.twist {
            headers.insert(header::DATE, shifted(seconds)?);
        }
        let body = if self.twist == Twist::Buffers {
            Body::from(answer.bytes().await?)
        } else {
            Body::from_stream(answer.bytes_stream().map_err(std::io::Error::other))
        };
        Ok((status, headers, body).into_response())
    }

    fn headers(&self, peer: SocketAddr, mut headers: HeaderMap) -> HeaderMap {
        headers.remove(header::CONNECTION);
        if self.twist == Twist::ChangesHost {
            headers.remove(header::HOST);
        }
        if self.twist != Twist::LeavesForwardedFor {
            headers.remove(&FORWARDED_FOR);
        }
        if !matches!(self.twist, Twist::LeavesForwardedFor | Twist::DropsForwardedFor)
            && let Ok(address) = HeaderValue::try_from(peer.ip().to_string())
        {
            headers.insert(FORWARDED_FOR, address);
        }
        headers
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The present time as `Date` writes it, some seconds off.
fn shifted(seconds: i64) -> Result<HeaderValue> {
    let time = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
    Ok(HeaderValue::try_from(DateTimePrinter::new().timestamp_to_rfc9110_string(&time)?)?)
}

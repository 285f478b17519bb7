//! The two sides of the gateway in tests: a recording Forgejo and a worker.

use std::{
    collections::VecDeque,
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Method, StatusCode};
use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretString};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinHandle,
};
use tokio_util::sync::{CancellationToken, DropGuard};
use url::Url;

use crate::{
    gateway::*,
    oauth_client::OutboundConfig,
    token_source::{After401, CredentialError, KnownIdentity, TokenSource},
};

/// The token that only the gateway may know.
pub(super) const SECRET: &str = "forgejo-secret-token";

/// A request as it reached a server.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) method: Method,
    pub(super) target: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// An HTTP server that records every request and answers by a function.
pub(super) struct Server {
    pub(super) url: Url,
    seen: Arc<Mutex<Vec<Seen>>>,
    _stop: DropGuard,
}

/// Tokens by script.
pub(super) struct Tokens {
    pub(super) current: Mutex<Result<SecretString, CredentialError>>,
    pub(super) after: Mutex<VecDeque<Result<After401, CredentialError>>>,
    pub(super) failed: Mutex<Vec<String>>,
    pub(super) asked: AtomicU32,
}

pub(super) struct Grants(pub(super) Mutex<GrantTerms>);

struct Events(mpsc::UnboundedSender<GatewayEvent>);

/// A gateway with one assigned, ready capability.
pub(super) struct World {
    pub(super) forgejo: Server,
    pub(super) gateway: Gateway,
    pub(super) capability: Option<Capability>,
    pub(super) token: String,
    pub(super) tokens: Arc<Tokens>,
    pub(super) grants: Arc<Grants>,
    pub(super) client: reqwest::Client,
    pub(super) stop: CancellationToken,
    pub(super) serving: Option<JoinHandle<()>>,
    events: mpsc::UnboundedReceiver<GatewayEvent>,
    _stop: DropGuard,
}

// === impl Seen ===

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

// === impl Server ===

impl Server {
    pub(super) async fn start(answer: impl Fn(&Seen) -> Response + Clone + Send + Sync + 'static) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&seen);
        let router = Router::new().fallback(move |request: Request| {
            let (record, answer) = (Arc::clone(&record), answer.clone());
            async move {
                let (parts, body) = request.into_parts();
                let Ok(body) = to_bytes(body, 64 << 20).await else { return StatusCode::BAD_REQUEST.into_response() };
                let seen = Seen { method: parts.method, target: parts.uri.to_string(), headers: parts.headers, body };
                record.lock().push(seen.clone());
                answer(&seen)
            }
        });
        Self::route(router, seen).await
    }

    pub(super) async fn with_router(router: Router) -> Self {
        Self::route(router, Arc::default()).await
    }

    async fn route(router: Router, seen: Arc<Mutex<Vec<Seen>>>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        tokio::spawn(async move {
            let serving = axum::serve(listener, router).into_future();
            stopped.run_until_cancelled(serving).await
        });
        Self { url, seen, _stop: stop.drop_guard() }
    }

    /// What arrived so far, the gateway's own questions for the version left out.
    pub(super) fn seen(&self) -> Vec<Seen> {
        let own = |seen: &Seen| seen.target.ends_with("/api/v1/version") && seen.header("user-agent").is_none();
        self.seen.lock().iter().filter(|seen| !own(seen)).cloned().collect()
    }

    pub(super) fn only(&self) -> Seen {
        let mut seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen.remove(0)
    }
}

// === impl Tokens ===

impl Tokens {
    fn new() -> Self {
        Self {
            current: Mutex::new(Ok(SECRET.into())),
            after: Mutex::default(),
            failed: Mutex::default(),
            asked: AtomicU32::new(0),
        }
    }
}

impl TokenSource for Tokens {
    fn access_token(&self, _user: Arc<str>) -> BoxFuture<'_, Result<SecretString, CredentialError>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Box::pin(async { self.current.lock().clone() })
    }

    fn after_401(&self, _user: Arc<str>, failed: SecretString) -> BoxFuture<'_, Result<After401, CredentialError>> {
        self.failed.lock().push(failed.expose_secret().to_owned());
        Box::pin(async { self.after.lock().pop_front().unwrap_or(Ok(After401::Alive)) })
    }

    fn identity(&self, user: Arc<str>) -> BoxFuture<'_, Option<KnownIdentity>> {
        Box::pin(async move { Some(KnownIdentity { id: 7, login: user.to_string() }) })
    }
}

// === impl Grants ===

impl GrantLookup for Grants {
    fn terms(&self, grant: &str) -> GrantTerms {
        if grant == "grant" { self.0.lock().clone() } else { GrantTerms::ENDED }
    }
}

// === impl Events ===

impl GatewayObserver for Events {
    fn event(&self, event: GatewayEvent) {
        let _ = self.0.send(event);
    }
}

// === impl World ===

impl World {
    /// A Forgejo that answers everything with a small JSON.
    pub(super) async fn plain() -> Self {
        Self::with(|_| json(r#"{"ok":true}"#)).await
    }

    pub(super) async fn with(answer: impl Fn(&Seen) -> Response + Clone + Send + Sync + 'static) -> Self {
        Self::configured(Server::start(answer).await, |_| {}).await
    }

    pub(super) async fn configured(forgejo: Server, change: impl FnOnce(&mut GatewayConfig)) -> Self {
        Self::reaching(forgejo, &OutboundConfig::default(), change).await
    }

    /// With another way out.
    pub(super) async fn reaching(
        forgejo: Server,
        outbound: &OutboundConfig,
        change: impl FnOnce(&mut GatewayConfig),
    ) -> Self {
        let mut config = GatewayConfig {
            forgejo: forgejo.url.clone(),
            forgejo_public: "https://git.example/".parse().unwrap(),
            storage_origins: Vec::new(),
            open_doors: DoorGroups::default(),
            limits: GatewayLimits::default(),
            timeouts: GatewayTimeouts::default(),
        };
        change(&mut config);
        let client = plain_client();
        let tokens = Arc::new(Tokens::new());
        let grants = Arc::new(Grants(Mutex::new(GrantTerms::everywhere(GrantAccess::ReadWrite))));
        let (sender, events) = mpsc::unbounded_channel();
        let gateway = Gateway::bind(
            config,
            &outbound.build().unwrap(),
            Arc::clone(&tokens) as Arc<dyn TokenSource>,
            Arc::clone(&grants) as Arc<dyn GrantLookup>,
            Arc::new(Events(sender)),
        )
        .await
        .unwrap();
        let stop = CancellationToken::new();
        let serving = Some(tokio::spawn(gateway.serve(stop.clone())));
        let capability = gateway.open();
        capability.assign(assignment());
        capability.ready();
        let token = capability.token().to_owned();
        let capability = Some(capability);
        let guard = stop.clone().drop_guard();
        Self { forgejo, gateway, capability, token, tokens, grants, client, stop, serving, events, _stop: guard }
    }

    /// A request of the worker, authorised as forgejo-mcp does it.
    pub(super) fn request(&self, method: Method, target: &str) -> reqwest::RequestBuilder {
        let url = format!("{}{target}", self.gateway.url());
        self.client
            .request(method, url)
            .header("authorization", format!("token {}", self.token))
            .header("user-agent", "forgejo-mcp/2.34.1")
    }

    pub(super) async fn get(&self, target: &str) -> reqwest::Response {
        self.request(Method::GET, target).send().await.unwrap()
    }

    /// Sends bytes as they are (`TOKEN` stands for the capability) and reads until the connection ends.
    pub(super) async fn raw(&self, request: &str) -> String {
        let address = self.gateway.url().strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.replace("TOKEN", &self.token).as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// The next event that `wanted` recognises.
    pub(super) async fn event(&mut self, wanted: impl Fn(&GatewayEvent) -> bool) -> GatewayEvent {
        loop {
            let event = tokio::time::timeout(Duration::from_secs(20), self.events.recv()).await;
            let event = event.expect("the event must come").unwrap();
            if wanted(&event) {
                return event;
            }
        }
    }
}

pub(super) fn assignment() -> GatewayAssignment {
    GatewayAssignment { user: "alice".into(), grant: "grant".into() }
}

pub(super) fn plain_client() -> reqwest::Client {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap()
}

pub(super) fn json(body: &str) -> Response {
    ([("content-type", "application/json;charset=utf-8")], body.to_owned()).into_response()
}

pub(super) fn status(status: u16, body: &str) -> Response {
    let mut response = json(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

pub(super) fn redirect(status: u16, location: &str) -> Response {
    Response::builder().status(status).header("location", location).body(Body::from("see there")).unwrap()
}

/// Checks that an answer is a refusal in Forgejo's shape, and gives its message.
pub(super) async fn refusal(answer: reqwest::Response, expected: u16) -> String {
    assert_eq!(answer.status().as_u16(), expected);
    assert!(!answer.headers().contains_key("www-authenticate"));
    assert!(!answer.headers().contains_key("location"));
    let text = answer.text().await.unwrap();
    assert!(!text.contains(SECRET), "{text}");
    let body: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"));
    assert_eq!(body["url"], "https://git.example/api/swagger");
    body["message"].as_str().unwrap().to_owned()
}

//! Several brokers on one database behind a balancer without stickiness.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use forgejo_sim::{IssuedSecret, NewApp, RunningSim, Seed, SimConfig, Simulator};
use futures_util::TryStreamExt as _;
use reqwest::{StatusCode, header};
use scratch_postgres::Place;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::broker::{Broker, Settings, free_port, http_client};
use crate::browser::{Browser, Person};
use crate::children::Child;
use crate::issued;
use crate::mcp::Mcp;
use crate::modern::Modern;
use crate::oauth_client::{OAuthClient, Tokens};
use crate::stack::{KEY, postgres};

/// The lease of these replicas, short so that a test need not wait for long.
pub const LEASE_SECONDS: u64 = 3;

/// Replicas, and what they share.
pub struct Replicas {
    /// The stand-in for Forgejo.
    pub sim: RunningSim,
    /// The brokers.
    pub brokers: Vec<Broker>,
    /// What each was started with.
    pub settings: Vec<Settings>,
    /// Their internal addresses.
    pub internal: Vec<String>,
    /// The public origin: the balancer's.
    pub url: String,
    /// Their ways to the database.
    pub links: Vec<Link>,
    /// The database that they share.
    pub database: Place,
    balancer: Option<Balancer>,
    folder: TempDir,
}

/// A way to a port of this machine that can be cut.
pub struct Link {
    port: u16,
    open: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Sends each request to the next broker, and to the one after it if that is not there.
struct Balancer(JoinHandle<()>);

struct Turns {
    upstreams: Vec<String>,
    next: AtomicUsize,
    client: reqwest::Client,
}

// === impl Replicas ===

impl Replicas {
    /// So many brokers with this child.
    ///
    /// # Errors
    /// When anything does not start.
    pub async fn start(number: usize, child: &Child, more: &Settings) -> Result<Self> {
        let sim = Simulator::start(SimConfig { seed: Seed::Demo, ..SimConfig::default() }).await?;
        let port = free_port()?;
        let url = format!("http://127.0.0.1:{port}");
        let application = sim.create_app(NewApp::new("fjmcp-broker", format!("{url}/oauth/callback")).owner("root"));
        let folder = tempfile::tempdir().context("no folder for state")?;
        let mut replicas = Self {
            brokers: Vec::new(),
            settings: Vec::new(),
            internal: Vec::new(),
            links: Vec::new(),
            database: postgres()?.database()?,
            balancer: None,
            folder,
            url: url.clone(),
            sim,
        };
        let mut upstreams = Vec::new();
        for index in 0..number {
            let (listen, internal) = (free_port()?, free_port()?);
            replicas.links.push(Link::to(postgres()?.port()).await?);
            let mut settings = Settings::default()
                .with("PUBLIC_URL", &url)
                .with("LISTEN", format!("127.0.0.1:{listen}"))
                .with("FORGEJO_URL", replicas.sim.url())
                .with("FORGEJO_OAUTH_CLIENT_ID", &application.client_id)
                .with("FORGEJO_OAUTH_CLIENT_SECRET", &application.client_secret)
                .with("ENCRYPTION_KEYS", KEY)
                .with("DATABASE_URL", replicas.database.url_at(replicas.links[index].port))
                .with("STATE_DIR", replicas.state(index)?.display().to_string())
                .with("REPLICA_LISTEN", format!("127.0.0.1:{internal}"))
                .with("REPLICA_LEASE", format!("{LEASE_SECONDS}s"))
                .with("WORKER_PROFILE", &child.profile)
                .with("WORKER_COMMAND", child.command.display().to_string())
                .with("WARM_WORKERS", "0")
                .with("LOG_LEVEL", "debug");
            if !child.args.is_empty() {
                settings.set("WORKER_ARGS", child.args.join(" "));
            }
            if !child.allowed_paths.is_empty() {
                settings.set("WORKER_ALLOWED_PATHS", serde_json::to_string(&child.allowed_paths)?);
            }
            settings.extend(more.clone());
            upstreams.push(format!("http://127.0.0.1:{listen}"));
            replicas.internal.push(format!("127.0.0.1:{internal}"));
            replicas.settings.push(settings);
            replicas.launch(index).await?;
        }
        replicas.balancer = Some(Balancer::start(port, upstreams).await?);
        issued::note("the encryption key", KEY);
        Ok(replicas)
    }

    /// Where one keeps what is its alone.
    ///
    /// # Errors
    /// When the folder can't be made.
    pub fn state(&self, index: usize) -> Result<PathBuf> {
        let folder = self.folder.path().join(format!("replica-{index}"));
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    async fn launch(&mut self, index: usize) -> Result<()> {
        let settings = &self.settings[index];
        let listen = settings.get("LISTEN").context("no address")?;
        let mut broker = Broker::start_at(&format!("http://{listen}"), settings).await?;
        let secrets = self.sim.secrets();
        broker.watch_for(Arc::new(move || {
            let named = |secret: IssuedSecret| (format!("{:?} of Forgejo", secret.kind), secret.value);
            secrets.all().into_iter().map(named).collect()
        }));
        if index < self.brokers.len() {
            self.brokers[index] = broker;
        } else {
            self.brokers.push(broker);
        }
        Ok(())
    }

    /// Starts one again that has ended.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn restart(&mut self, index: usize) -> Result<()> {
        self.launch(index).await
    }

    /// Logs in through the balancer: each step at another replica.
    ///
    /// # Errors
    /// When any step fails.
    pub async fn log_in(&self, login: &str) -> Result<(OAuthClient, Tokens)> {
        let client = OAuthClient::register(&self.url, "e2e").await?;
        let tokens = client.log_in(&Browser::new()?, &Person::named(login)).await?;
        Ok((client, tokens))
    }

    /// A session that one replica has begun.
    ///
    /// # Errors
    /// When it refuses.
    pub async fn session(&self, at: usize, tokens: &Tokens) -> Result<Mcp> {
        let mut mcp = Mcp::new(&self.brokers[at].url, &tokens.access_token)?;
        mcp.initialize("2025-11-25").await?;
        Ok(mcp)
    }

    /// The same client, which now speaks to another replica.
    ///
    /// # Errors
    /// When no HTTP client can be built.
    pub fn at(&self, index: usize, client: &Mcp) -> Result<Mcp> {
        client.at(&self.brokers[index].url)
    }

    /// A client of 2026-07-28 of one replica.
    ///
    /// # Errors
    /// When no HTTP client can be built.
    pub fn modern(&self, at: usize, tokens: &Tokens) -> Result<Modern> {
        Modern::new(&self.brokers[at].url, &tokens.access_token)
    }

    /// Living workers of each replica.
    #[must_use]
    pub fn workers(&self) -> Vec<usize> {
        self.brokers.iter().map(|broker| broker.workers().len()).collect()
    }
}

// === impl Link ===

impl Link {
    async fn to(port: u16) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("the link cannot listen")?;
        let own = listener.local_addr()?.port();
        let (open, is_open) = watch::channel(true);
        let task = tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut is_open = is_open.clone();
                tokio::spawn(async move {
                    // Nothing is refused: whoever connects waits, as behind a firewall that drops.
                    if is_open.wait_for(|open| *open).await.is_err() {
                        return;
                    }
                    let Ok(mut far) = TcpStream::connect(("127.0.0.1", port)).await else { return };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        _ = is_open.wait_for(|open| !*open) => {}
                    }
                    // What is under way stays unanswered.
                    let _ = is_open.wait_for(|open| *open).await;
                });
            }
        });
        Ok(Self { port: own, open, task })
    }

    /// Nothing passes any more, in neither direction, until it is mended; then what was under way is cut.
    pub fn cut(&self) {
        self.open.send_replace(false);
    }

    /// It passes again.
    pub fn mend(&self) {
        self.open.send_replace(true);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

// === impl Balancer ===

impl Balancer {
    async fn start(port: u16, upstreams: Vec<String>) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.context("the balancer cannot listen")?;
        let turns = Turns { upstreams, next: AtomicUsize::new(0), client: http_client()? };
        let router = Router::new().fallback(forward).with_state(Arc::new(turns));
        Ok(Self(tokio::spawn(async move {
            // It is stopped from outside.
            let _ = axum::serve(listener, router).await;
        })))
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn forward(State(turns): State<Arc<Turns>>, request: Request) -> Response {
    let answer = turns.forward(request).await;
    answer.unwrap_or_else(|error| (StatusCode::BAD_GATEWAY, format!("{error:#}")).into_response())
}

// === impl Turns ===

impl Turns {
    async fn forward(&self, request: Request) -> Result<Response> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut headers = parts.headers;
        headers.remove(header::CONNECTION);
        let body: Bytes = axum::body::to_bytes(body, 8 << 20).await?;
        let mut last = None;
        for _ in &self.upstreams {
            let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.upstreams.len();
            let url = format!("{}{path}", self.upstreams[turn]);
            let request = self.client.request(parts.method.clone(), url).headers(headers.clone()).body(body.clone());
            match request.send().await {
                Ok(answer) => {
                    let (status, mut headers) = (answer.status(), answer.headers().clone());
                    headers.remove(header::TRANSFER_ENCODING);
                    headers.remove(header::CONNECTION);
                    let body = Body::from_stream(answer.bytes_stream().map_err(std::io::Error::other));
                    return Ok((status, headers, body).into_response());
                }
                Err(error) if error.is_connect() => last = Some(error),
                Err(error) => return Err(error.into()),
            }
        }
        Err(last.context("there is no broker")?.into())
    }
}

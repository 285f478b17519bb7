//! Everything a scenario needs: a Forgejo stand-in, a broker before it, and a folder for its state.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use forgejo_sim::{IssuedSecret, NewApp, RunningSim, Seed, SimConfig, Simulator};
use scratch_postgres::Cluster;
use tempfile::TempDir;

use crate::broker::{Broker, Settings, database, free_port};
use crate::browser::{Browser, Person};
use crate::children::Child;
use crate::issued;
use crate::mcp::Mcp;
use crate::oauth_client::{OAuthClient, Tokens};

/// A key ring for one run. Worth nothing outside of it; without a pattern, so that no program has it by accident.
pub const KEY: &str = "Xy3EVz7Rlpu-YkReMss_Zu-59lcP00W8jlqX2DH_d1o";

/// A stand-in and a broker.
pub struct Stack {
    /// The stand-in, with its levers.
    pub sim: RunningSim,
    /// The broker.
    pub broker: Broker,
    /// What the broker was started with.
    pub settings: Settings,
    /// Its state.
    pub state: TempDir,
    /// The OAuth2 application's secret at the stand-in.
    pub client_secret: String,
}

// === impl Stack ===

impl Stack {
    /// A stack with the demo's data and this child.
    ///
    /// # Errors
    /// When anything does not start.
    pub async fn start(child: &Child) -> Result<Self> {
        Self::start_with(child, SimConfig::default(), Settings::default()).await
    }

    /// The same with more settings, named as in the environment without prefix.
    ///
    /// # Errors
    /// When anything does not start.
    pub async fn start_with(child: &Child, sim: SimConfig, more: Settings) -> Result<Self> {
        Self::start_on(free_port()?, child, sim, more).await
    }

    /// The same with the broker on a port of choice.
    ///
    /// # Errors
    /// When anything does not start.
    pub async fn start_on(port: u16, child: &Child, sim: SimConfig, more: Settings) -> Result<Self> {
        let sim = Simulator::start(SimConfig { seed: Seed::Demo, ..sim }).await?;
        let url = format!("http://127.0.0.1:{port}");
        let application = sim.create_app(NewApp::new("fjmcp-broker", format!("{url}/oauth/callback")).owner("root"));
        let state = tempfile::tempdir().context("no folder for state")?;
        let args = child.args.join(" ");
        let mut settings = Settings::default()
            .with("PUBLIC_URL", &url)
            .with("LISTEN", format!("127.0.0.1:{port}"))
            .with("FORGEJO_URL", sim.url())
            .with("FORGEJO_OAUTH_CLIENT_ID", &application.client_id)
            .with("FORGEJO_OAUTH_CLIENT_SECRET", &application.client_secret)
            .with("ENCRYPTION_KEYS", KEY)
            .with("WORKER_PROFILE", &child.profile)
            .with("WORKER_COMMAND", child.command.display().to_string())
            // A test that counts processes counts its own.
            .with("WARM_WORKERS", "0")
            .with("LOG_LEVEL", "debug");
        if !args.is_empty() {
            settings.set("WORKER_ARGS", args);
        }
        if !child.allowed_paths.is_empty() {
            settings.set("WORKER_ALLOWED_PATHS", serde_json::to_string(&child.allowed_paths)?);
        }
        settings.extend(in_database(state.path(), more)?);
        let mut broker = Broker::start(&settings).await?;
        let secrets = sim.secrets();
        broker.watch_for(Arc::new(move || {
            let named = |secret: IssuedSecret| (format!("{:?} of Forgejo", secret.kind), secret.value);
            secrets.all().into_iter().map(named).collect()
        }));
        issued::note("the encryption key", KEY);
        Ok(Self { sim, broker, settings, state, client_secret: application.client_secret })
    }

    /// The rung of the cage that its workers stand on.
    ///
    /// # Errors
    /// When the broker does not say it.
    pub async fn rung(&self) -> Result<u8> {
        let line = self.broker.wait_for_line("workers will run on rung").await?;
        let rung = line.split("workers will run on rung ").nth(1).and_then(|rest| rest.chars().next());
        let rung = rung.and_then(|rung| rung.to_digit(10)).with_context(|| line.clone())?;
        Ok(u8::try_from(rung)?)
    }

    /// The broker's OAuth2 application at the stand-in.
    #[must_use]
    pub fn client_id(&self) -> Option<String> {
        self.settings.get("FORGEJO_OAUTH_CLIENT_ID").map(str::to_owned)
    }

    /// How a command beside the broker finds its state.
    #[must_use]
    pub fn store_settings(&self) -> Settings {
        ["STORE_PATH", "STATE_DIR", "DATABASE_URL"].into_iter().fold(Settings::default(), |settings, name| {
            match self.settings.get(name) {
                Some(value) => settings.with(name, value),
                None => settings,
            }
        })
    }

    /// Starts another broker on the same PostgreSQL database, for the same public URL, with a state folder and an address of its own.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start_beside(&self, state: &Path, more: Settings) -> Result<Broker> {
        let port = free_port()?;
        let mut settings = self
            .settings
            .clone()
            .with("LISTEN", format!("127.0.0.1:{port}"))
            .with("STATE_DIR", state.display().to_string())
            .with("ALLOWED_HOSTS", format!("127.0.0.1:{port},localhost:{port}"));
        settings.extend(more);
        let mut broker = Broker::start_at(&format!("http://127.0.0.1:{port}"), &settings).await?;
        broker.watch_like(&self.broker);
        Ok(broker)
    }

    /// Starts the broker again, after it was stopped or killed.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn restart(&mut self) -> Result<()> {
        let mut broker = Broker::start(&self.settings).await?;
        broker.watch_like(&self.broker);
        self.broker = broker;
        Ok(())
    }

    /// Registers a client and logs `login` in with a fresh browser.
    ///
    /// # Errors
    /// When any step fails.
    pub async fn log_in(&self, login: &str) -> Result<(OAuthClient, Tokens)> {
        self.log_in_as(&Person::named(login)).await
    }

    /// The same for a person with choices.
    ///
    /// # Errors
    /// When any step fails.
    pub async fn log_in_as(&self, person: &Person) -> Result<(OAuthClient, Tokens)> {
        let client = OAuthClient::register(&self.broker.url, "e2e").await?;
        let tokens = client.log_in(&Browser::new()?, person).await?;
        Ok((client, tokens))
    }

    /// An initialized MCP session of `login`.
    ///
    /// # Errors
    /// When any step fails.
    pub async fn session(&self, login: &str) -> Result<(Mcp, OAuthClient, Tokens)> {
        let (client, tokens) = self.log_in(login).await?;
        let mut mcp = Mcp::new(&self.broker.url, &tokens.access_token)?;
        mcp.initialize("2025-11-25").await?;
        Ok((mcp, client, tokens))
    }
}

/// Adds where the state is to what a test wants, unless that says it: a file, or with `E2E_DATABASE=postgres` a place in this process's
/// PostgreSQL.
fn in_database(state: &Path, more: Settings) -> Result<Settings> {
    let folder = state.display().to_string();
    if more.get("STORE_PATH").is_some() {
        return Ok(more);
    }
    if more.get("DATABASE_URL").is_some() {
        return Ok(more.with("STATE_DIR", folder));
    }
    if std::env::var_os("E2E_DATABASE").is_some_and(|wanted| wanted == "postgres") {
        let place = postgres()?.schema()?;
        return Ok(more.with("STATE_DIR", folder).with("DATABASE_URL", place.url()));
    }
    Ok(more.with("STORE_PATH", database(state).display().to_string()))
}

/// The PostgreSQL that the tests of this process share.
///
/// # Errors
/// When it can't be started, for instance because it is not installed.
pub fn postgres() -> Result<&'static Cluster> {
    scratch_postgres::shared().map_err(|error| anyhow!("{error}"))
}

/// Waits until `condition` holds, looking every few milliseconds.
///
/// # Errors
/// When it does not within 20 s; `what` is in the error.
pub async fn eventually(what: &str, mut condition: impl FnMut() -> bool) -> Result<()> {
    let held = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), held).await.with_context(|| format!("not within 20 s: {what}"))
}

/// Tries again and again until `attempt` succeeds.
///
/// # Errors
/// The last failure, when none succeeds within 20 s.
pub async fn until_ok<T, F: Future<Output = Result<T>>>(what: &str, mut attempt: impl FnMut() -> F) -> Result<T> {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    loop {
        match attempt().await {
            Ok(value) => return Ok(value),
            Err(error) if tokio::time::Instant::now() > deadline => {
                return Err(error.context(format!("not within 20 s: {what}")));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

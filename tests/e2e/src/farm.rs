//! Several brokers as they are run: a PostgreSQL of their own, nginx in strict round-robin before them, and, where a run wants to cut them
//! off, a link before everything that they reach over a network.

mod link;
mod nginx;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use forgejo_sim::{IssuedSecret, NewApp, RunningSim, Seed, SimConfig, Simulator};
use scratch_postgres::{Cluster, Place};
use tempfile::TempDir;

pub use self::link::{Link, Mode};
pub use self::nginx::Nginx;
use crate::broker::{Broker, Settings, free_port, http_client};
use crate::browser::{Browser, Person};
use crate::children::Child;
use crate::issued;
use crate::mcp::Mcp;
use crate::oauth_client::{OAuthClient, Tokens};
use crate::stack::KEY;

/// How many brokers.
pub const REPLICAS: usize = 3;
/// How long brokers that were disturbed may take until they are ready again.
const RECOVERY: Duration = Duration::from_mins(1);

/// Brokers on one database behind nginx.
pub struct Farm {
    /// The stand-in for Forgejo.
    pub sim: RunningSim,
    /// The server.
    pub cluster: Cluster,
    /// The database in it.
    pub place: Place,
    /// The brokers; each one's `url` is its own.
    pub brokers: Vec<Broker>,
    /// What each was started with.
    pub settings: Vec<Settings>,
    /// What stands before each one's database and internal listener.
    pub links: Vec<Links>,
    /// The balancer.
    pub nginx: Nginx,
    /// The public origin: the balancer's.
    pub url: String,
    _state: TempDir,
}

/// What one broker reaches over the network, and by what others reach it.
pub struct Links {
    /// To PostgreSQL.
    pub database: Link,
    /// From the other replicas.
    pub hop: Link,
}

/// PostgreSQL counts what it is asked.
const COUNTING: &str = "shared_preload_libraries = 'pg_stat_statements'\npg_stat_statements.track = 'top'";

// === impl Farm ===

impl Farm {
    /// Three brokers with this child; `None` where nginx is not installed.
    ///
    /// # Errors
    /// When anything does not start.
    pub async fn start(child: &Child, more: &Settings) -> Result<Option<Self>> {
        let Some(program) = Nginx::program() else { return Ok(None) };
        let cluster = Cluster::start(COUNTING, &[]).map_err(|error| anyhow!("{error}"))?;
        let place = cluster.database()?;
        let sim = Simulator::start(SimConfig { seed: Seed::Demo, ..SimConfig::default() }).await?;
        let port = free_port()?;
        let url = format!("http://127.0.0.1:{port}");
        let application = sim.create_app(NewApp::new("fjmcp-broker", format!("{url}/oauth/callback")).owner("root"));
        let state = tempfile::tempdir().context("no folder for state")?;
        let mut common = Settings::default()
            .with("PUBLIC_URL", &url)
            .with("ALLOWED_HOSTS", format!("127.0.0.1:{port}"))
            .with("TRUSTED_PROXIES", "127.0.0.1/32")
            .with("FORGEJO_URL", sim.url())
            .with("FORGEJO_OAUTH_CLIENT_ID", &application.client_id)
            .with("FORGEJO_OAUTH_CLIENT_SECRET", &application.client_secret)
            .with("ENCRYPTION_KEYS", KEY)
            .with("WORKER_PROFILE", &child.profile)
            .with("WORKER_COMMAND", child.command.display().to_string())
            .with("WARM_WORKERS", "0")
            .with("LOG_LEVEL", "info");
        if !child.args.is_empty() {
            common.set("WORKER_ARGS", child.args.join(" "));
        }
        if let Some(more) = more.get("ALLOWED_HOSTS") {
            common.set("ALLOWED_HOSTS", format!("127.0.0.1:{port},{more}"));
        }
        common.extend(more.clone().without("ALLOWED_HOSTS"));
        let (mut settings, mut links, mut upstreams) = (Vec::new(), Vec::new(), Vec::new());
        for index in 0..REPLICAS {
            let (listen, internal) = (free_port()?, free_port()?);
            let database = Link::start(cluster.port()).await?;
            let hop = Link::start(internal).await?;
            let folder = state.path().join(format!("replica-{index}"));
            std::fs::create_dir(&folder)?;
            // Each is asked under its own address, too.
            let hosts = format!("{},127.0.0.1:{listen}", common.get("ALLOWED_HOSTS").unwrap_or_default());
            let own = common
                .clone()
                .with("LISTEN", format!("127.0.0.1:{listen}"))
                .with("ALLOWED_HOSTS", hosts)
                .with("STATE_DIR", folder.display().to_string())
                .with("DATABASE_URL", place.url_at(database.port()))
                .with("REPLICA_LISTEN", format!("127.0.0.1:{internal}"))
                .with("REPLICA_ADVERTISE", format!("127.0.0.1:{}", hop.port()));
            upstreams.push(listen);
            settings.push(own);
            links.push(Links { database, hop });
        }
        let nginx = Nginx::start(&program, port, &upstreams).await?;
        issued::note("the encryption key", KEY);
        let mut farm = Self { sim, cluster, place, brokers: Vec::new(), settings, links, nginx, url, _state: state };
        for index in 0..REPLICAS {
            let broker = farm.launch(index).await?;
            farm.brokers.push(broker);
        }
        Ok(Some(farm))
    }

    async fn launch(&self, index: usize) -> Result<Broker> {
        let settings = &self.settings[index];
        let url = format!("http://{}", settings.get("LISTEN").context("no address")?);
        let mut broker = Broker::start_at(&url, settings).await?;
        let secrets = self.sim.secrets();
        broker.watch_for(Arc::new(move || {
            let named = |secret: IssuedSecret| (format!("{:?} of Forgejo", secret.kind), secret.value);
            secrets.all().into_iter().map(named).collect()
        }));
        Ok(broker)
    }

    /// Starts a broker again that has ended.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn restart(&mut self, index: usize) -> Result<()> {
        self.brokers[index] = self.launch(index).await.with_context(|| format!("replica {index}"))?;
        Ok(())
    }

    /// Returns when every broker says that it is ready.
    ///
    /// # Errors
    /// When one does not within a minute.
    pub async fn ready(&self) -> Result<()> {
        let client = http_client()?;
        let until = tokio::time::Instant::now() + RECOVERY;
        for broker in &self.brokers {
            loop {
                let said = client.get(format!("{}/readyz", broker.url)).send().await;
                match said {
                    Ok(answer) if answer.status().is_success() => break,
                    Ok(answer) if tokio::time::Instant::now() > until => {
                        let (status, body) = (answer.status(), answer.text().await.unwrap_or_default());
                        return Err(anyhow!("{} is not ready again: {status} {body}", broker.url));
                    }
                    Err(error) if tokio::time::Instant::now() > until => return Err(error.into()),
                    _ => tokio::time::sleep(Duration::from_millis(100)).await,
                }
            }
        }
        Ok(())
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

    /// A session through the balancer.
    ///
    /// # Errors
    /// When a broker refuses.
    pub async fn session(&self, tokens: &Tokens) -> Result<Mcp> {
        self.session_at(&self.url, tokens).await
    }

    /// A session that was begun at this origin.
    ///
    /// # Errors
    /// When a broker refuses.
    pub async fn session_at(&self, url: &str, tokens: &Tokens) -> Result<Mcp> {
        let mut mcp = Mcp::new(url, &tokens.access_token)?;
        mcp.initialize("2025-11-25").await?;
        Ok(mcp)
    }

    /// The number that a statement asks the database for.
    ///
    /// # Errors
    /// When it fails, or says no number.
    pub fn count(&self, statement: &str) -> Result<u64> {
        let said = self.place.run(statement)?;
        said.trim().parse().with_context(|| format!("{statement}: {said}"))
    }

    /// Which processes its brokers have started.
    #[must_use]
    pub fn workers(&self) -> Vec<u32> {
        self.brokers.iter().flat_map(Broker::workers).collect()
    }

    /// Stops all brokers, one after the other, as an upgrade does.
    ///
    /// # Errors
    /// When one does not end.
    pub async fn terminate(&mut self) -> Result<()> {
        for broker in &mut self.brokers {
            let ended = broker.terminate().await?;
            ensure!(ended.success(), "{ended}:\n{}", broker.log());
        }
        Ok(())
    }
}

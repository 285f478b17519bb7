//! Which runs there are, and what each is made of.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use e2e::binaries::{built, project_root};
use e2e::broker::Settings;
use e2e::children::Child;
use tokio::net::TcpListener;

use crate::alone::Alone;
use crate::authorization;
use crate::house::House;
use crate::injector::Injector;
use crate::suite::{Findings, Suite, listed};

/// What the worker of all runs seals its states with, so that they outlive a worker.
const STATE_KEY: &str = "conformance";

/// The revisions that the suite judges.
const REVISIONS: [&str; 2] = ["2025-11-25", "2026-07-28"];

/// One run of the suite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Run {
    /// Through the broker.
    Broker { worker: Era, revision: &'static str },
    /// The broker as authorization server.
    Authorization,
    /// The worker without the broker, reached by clients of its own era.
    Alone { worker: Era },
}

/// The eras that the worker can speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Era {
    /// Up to 2025-11-25.
    Legacy,
    /// 2026-07-28.
    Modern,
}

/// A broker with a user logged in, behind a proxy that speaks for him.
pub(crate) struct Door {
    /// The endpoint without need of a token.
    pub(crate) url: String,
    /// The token that the endpoint itself wants.
    pub(crate) bearer: String,
    pub(crate) house: House,
    _injector: Injector,
}

/// What a run found, beside what it had to find.
pub(crate) struct Results {
    pub(crate) run: Run,
    /// Scenarios that count.
    pub(crate) scored: BTreeSet<String>,
    /// Those of them that can't be passed, with the reason in expected-failures.yml.
    pub(crate) expected_failures: BTreeSet<String>,
    /// Those of extensions.
    pub(crate) extensions: BTreeSet<String>,
    pub(crate) findings: Findings,
}

// === impl Era ===

impl Era {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Modern => "modern",
        }
    }

    /// Reads `legacy` or `modern`.
    pub(crate) fn parse(name: &str) -> Result<Self, String> {
        let known = [Self::Legacy, Self::Modern].into_iter().find(|era| era.name() == name);
        known.ok_or_else(|| "there are: legacy, modern".to_owned())
    }

    /// The revision of clients of this era.
    pub(crate) fn revision(self) -> &'static str {
        match self {
            Self::Legacy => REVISIONS[0],
            Self::Modern => REVISIONS[1],
        }
    }

    fn child(self) -> Result<Child> {
        let label = format!("conformance-child, {}", self.name());
        let child = Child::new(label, "custom", built("conformance-child")?);
        Ok(child.with_args(&["--era", self.name(), "--state-key", STATE_KEY]))
    }
}

// === impl Run ===

impl Run {
    /// Every run, those with the same worker together.
    pub(crate) fn all() -> Vec<Self> {
        let mut runs = Vec::new();
        for worker in [Era::Legacy, Era::Modern] {
            runs.extend(REVISIONS.map(|revision| Self::Broker { worker, revision }));
        }
        runs.push(Self::Authorization);
        runs.extend([Era::Legacy, Era::Modern].map(|worker| Self::Alone { worker }));
        runs
    }

    /// Reads a name such as `legacy:2025-11-25`.
    pub(crate) fn parse(name: &str) -> Result<Self, String> {
        let all = Self::all();
        let names = || all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        all.iter().find(|run| run.to_string() == name).cloned().ok_or_else(|| format!("there are: {}", names()))
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broker { worker, revision } => write!(f, "{}:{revision}", worker.name()),
            Self::Authorization => f.write_str("authorization"),
            Self::Alone { worker } => write!(f, "{}:alone", worker.name()),
        }
    }
}

/// Carries out the runs in their order.
pub(crate) async fn execute(suite: &Suite, runs: &[Run], replicas: bool) -> Result<Vec<Results>> {
    let mut all = Vec::new();
    for run in runs {
        all.push(one(suite, run, replicas).await.with_context(|| run.to_string())?);
    }
    Ok(all)
}

async fn one(suite: &Suite, run: &Run, replicas: bool) -> Result<Results> {
    let (scored, findings) = match run {
        Run::Broker { worker, revision } => {
            let findings = through_broker(suite, &run.to_string(), (*worker, replicas), revision).await?;
            (suite.scored(revision)?, findings)
        }
        Run::Authorization => {
            let house = House::start(&Era::Legacy.child()?, Settings::default(), replicas).await?;
            let findings = authorization::run(suite, house.url()).await?;
            house.end().await?;
            (["authorization-server-metadata-endpoint", "authorization-code-grant"].map(str::to_owned).into(), findings)
        }
        Run::Alone { worker } => {
            let alone = Alone::start(worker.child()?).await?;
            let findings = suite.server(&run.to_string(), &alone.url, worker.revision()).await?;
            (suite.scored(worker.revision())?, findings)
        }
    };
    let expected_failures = match run {
        Run::Broker { worker: Era::Legacy, revision: "2026-07-28" } => {
            let path = project_root().join("tests/conformance/expected-failures.yml");
            listed(&std::fs::read_to_string(&path).with_context(|| path.display().to_string())?, "server")
        }
        _ => BTreeSet::new(),
    };
    let extensions = match run {
        Run::Broker { revision, .. } => suite.extensions(revision)?,
        Run::Alone { worker } => suite.extensions(worker.revision())?,
        Run::Authorization => BTreeSet::new(),
    };
    Ok(Results { run: run.clone(), scored, expected_failures, extensions, findings })
}

async fn through_broker(
    suite: &Suite,
    name: &str,
    (worker, replicas): (Era, bool),
    revision: &str,
) -> Result<Findings> {
    let door = Door::open(worker, replicas).await?;
    let findings = suite.server(name, &door.url, revision).await;
    std::fs::write(suite.results(name).join("broker.log"), door.house.end().await?)?;
    findings
}

// === impl Door ===

impl Door {
    /// Starts everything and logs `alice` in.
    pub(crate) async fn open(worker: Era, replicas: bool) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let host = format!("localhost:{}", listener.local_addr()?.port());
        let settings =
            Settings::default().with("ALLOWED_HOSTS", &host).with("ALLOWED_ORIGINS", format!("http://{host}"));
        let house = House::start(&worker.child()?, settings, replicas).await?;
        let tokens = house.log_in("alice").await?;
        let broker: SocketAddr = house.url().trim_start_matches("http://").parse()?;
        let injector = Injector::start(listener, broker, &tokens.access_token);
        Ok(Self { url: format!("http://{host}/mcp"), bearer: tokens.access_token, house, _injector: injector })
    }
}

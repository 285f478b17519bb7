//! Who answers at the listen address: the running broker, a stranger, or nobody; then we do ourselves, for as long as the examination takes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use http::header;
use tokio::task::JoinHandle;

use super::super::healthcheck::reachable;
use super::finding::Finding;
use super::patient::Patient;
use super::web::{Trouble, ask};
use crate::build_info::BUILD;
use crate::examination::{self, Examination, Seen};
use crate::middleware::{self, Identify, TrustedProxies};
use crate::serve::{Limits, Replaceable, Server, Stop};

const CHECK: &str = "listener";

/// Who answers there.
pub(super) enum Listener {
    /// The broker with these keys.
    Running(Seen),
    /// A broker, but with `ephemeral-key` it cannot tell us from a stranger.
    Unproven,
    /// Ourselves.
    StandIn { seen: Seen, stop: Stop, task: JoinHandle<()> },
    /// Something that does not know us.
    Stranger(String),
    /// Nobody, and we may not either.
    Nobody(String),
}

// === impl Listener ===

impl Listener {
    pub(super) async fn find(patient: &Patient) -> Self {
        let address = reachable(patient.config.http.listen);
        match ask_at(patient, address).await {
            Ok(found) => found,
            Err(Trouble::Refused) => stand_in(patient, address).await,
            Err(_) => Self::Nobody(format!("{address} takes connections, but does not answer")),
        }
    }

    pub(super) fn finding(&self, patient: &Patient) -> Finding {
        let address = patient.config.http.listen;
        match self {
            Self::Running(seen) if seen.revision == BUILD.revision && seen.version == BUILD.version => {
                Finding::ok(CHECK, format!("this broker runs and answers on {address}"))
            }
            Self::Running(seen) => Finding::warn(
                CHECK,
                format!(
                    "the broker that runs on {address} is {} ({}), this program is {} ({})",
                    seen.version, seen.revision, BUILD.version, BUILD.revision
                ),
                "restart it to run the new one, or ask the doctor of the same version",
            ),
            Self::Unproven => Finding::skip(
                CHECK,
                format!("a broker answers on {address}, but with ephemeral-key it cannot know this examination"),
            ),
            Self::StandIn { .. } => Finding::ok(
                CHECK,
                format!("nothing runs on {address}; for this examination the doctor answers there itself"),
            ),
            Self::Stranger(what) => Finding::fail(
                CHECK,
                format!("what answers on {address} is no broker with this configuration: {what}"),
                "give the doctor the settings and keys of the running broker; or stop the other program, or set another address with listen",
            ),
            Self::Nobody(why) => {
                Finding::fail(CHECK, why, "stop the program that is there, or set another address with listen")
            }
        }
    }

    /// The name of the process that should be met at the public URL.
    pub(super) fn instance(&self) -> Option<&str> {
        match self {
            Self::Running(seen) | Self::StandIn { seen, .. } => Some(&seen.instance),
            Self::Unproven | Self::Stranger(_) | Self::Nobody(_) => None,
        }
    }

    /// Whether the whole broker runs, not only our stand-in for it.
    pub(super) fn is_whole(&self) -> bool {
        matches!(self, Self::Running(_) | Self::Unproven)
    }

    pub(super) async fn end(self) {
        if let Self::StandIn { stop, task, .. } = self {
            stop.request();
            // It ends by itself within no time; if it panicked there is nothing left to end.
            let _ = task.await;
        }
    }
}

async fn ask_at(patient: &Patient, address: SocketAddr) -> Result<Listener, Trouble> {
    let Ok(proof) = patient.proof() else { return Ok(Listener::Stranger("no proof could be made".to_owned())) };
    let url = format!("http://{address}{}", examination::PATH);
    let answer =
        ask(patient.web.get(url).header(header::AUTHORIZATION, proof)).await.map_err(|trouble| trouble.kind)?;
    if let Some(seen) = answer.seen() {
        return Ok(Listener::Running(seen));
    }
    let health = ask(patient.web.get(format!("http://{address}/healthz"))).await;
    let is_broker =
        health.is_ok_and(|answer| answer.json::<serde_json::Value>().is_some_and(|body| body["store"].is_string()));
    Ok(match (is_broker, patient.has_lasting_keys()) {
        (true, false) => Listener::Unproven,
        (true, true) => Listener::Stranger("a broker, but with other encryption keys or another public-url".to_owned()),
        (false, _) => Listener::Stranger(answer.in_words()),
    })
}

async fn stand_in(patient: &Patient, address: SocketAddr) -> Listener {
    let http = &patient.config.http;
    let proxies = || TrustedProxies::new(&http.trusted_proxies);
    let examination = Examination::new(
        Arc::clone(&patient.keys),
        Arc::clone(&patient.clock),
        patient.random.as_ref(),
        http.public_url.origin(),
        proxies(),
    );
    let examination = match examination {
        Ok(examination) => Arc::new(examination),
        Err(error) => return Listener::Nobody(error.to_string()),
    };
    let server = match Server::bind(http.listen, Limits::new(64, Duration::ZERO)).await {
        Ok(server) => server,
        Err(error) => return Listener::Nobody(format!("{error:#}")),
    };
    let router = middleware::around(examination.routes::<()>(), Identify::new(proxies(), 0));
    let stop = Stop::new();
    let task = tokio::spawn({
        let (router, stop): (Router, Stop) = (router, stop.clone());
        async move {
            // Whether it ended well is nobody's question.
            let _ = server.run(Replaceable::new(router), stop, async {}).await;
        }
    });
    if let Ok(Listener::Running(seen)) = ask_at(patient, address).await {
        return Listener::StandIn { seen, stop, task };
    }
    stop.request();
    Listener::Nobody(format!("the doctor's own answer on {address} does not arrive"))
}

//! What the worker program speaks: the handshake of the legacy revisions, 2026-07-28, or both.
//!
//! Found once per version of the program, at first need, by asking processes that are used for nothing else: some servers end
//! at any request before `initialize`, so a worker that serves somebody is never probed (mcp.md §7.2). An answer is remembered
//! for good; silence is taken for the legacy era and asked about again later, because a busy machine is silent too. Programs
//! known to be legacy are not asked at all.

use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::json;
use tokio::time::Instant;

use crate::desk::Desk;
use crate::envelope::{Kind, Message};
use crate::meta;
use crate::observer::NoObserver;
use crate::profile::WorkerEra;
use crate::refusal::{Refusal, UNAVAILABLE};
use crate::session::Session;
use crate::worker::{Parts, Worker};
use crate::workshop::Workshop;

/// How long a verdict holds that was reached by silence.
const SILENCE_HOLDS: Duration = Duration::from_mins(5);
/// Unsupported protocol version: what only a server of 2026-07-28 answers.
const UNSUPPORTED_VERSION: i64 = -32022;

/// What a version of the program speaks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Speech {
    /// Whether it knows `initialize`.
    pub(crate) handshake: bool,
    /// Its answer to `server/discover`, if it speaks 2026-07-28.
    pub(crate) discovered: Option<Message>,
}

/// The way in which one worker is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tongue {
    /// The revisions with `initialize`.
    Handshake,
    /// 2026-07-28.
    Stateless,
}

/// The verdicts on the program.
#[derive(Default)]
pub(crate) struct Verdicts {
    known: Mutex<Option<Verdict>>,
    /// Held while processes are asked: one question at a time.
    asking: tokio::sync::Mutex<()>,
}

struct Verdict {
    program: Arc<str>,
    speech: Arc<Speech>,
    until: Option<Instant>,
}

// === impl Speech ===

impl Speech {
    fn legacy() -> Self {
        Self { handshake: true, discovered: None }
    }

    /// How the worker of a legacy client is spoken to: in that client's own era if the program knows it.
    pub(crate) fn for_legacy(&self) -> Tongue {
        if self.handshake { Tongue::Handshake } else { Tongue::Stateless }
    }

    /// How the worker that all of a grant share is spoken to.
    pub(crate) fn for_shared(&self) -> Tongue {
        if self.discovered.is_some() { Tongue::Stateless } else { Tongue::Handshake }
    }
}

// === impl Verdicts ===

impl Verdicts {
    fn get(&self, program: &str) -> Option<Arc<Speech>> {
        let known = self.known.lock();
        let verdict = known.as_ref().filter(|verdict| *verdict.program == *program)?;
        let holds = verdict.until.is_none_or(|until| Instant::now() < until);
        holds.then(|| verdict.speech.clone())
    }
}

// === impl Workshop ===

impl Workshop {
    /// The same as far as it is known already, whatever has become of the program since: a worker that runs is of the version
    /// that it was started from.
    pub(crate) async fn speech_at_hand(self: &Arc<Self>) -> Result<Arc<Speech>, Refusal> {
        let known = self.verdicts.known.lock().as_ref().map(|verdict| verdict.speech.clone());
        match known {
            Some(speech) => Ok(speech),
            None => Box::pin(self.speech()).await,
        }
    }

    /// What the program speaks. The first caller after a change of the program waits until it is found.
    pub(crate) async fn speech(self: &Arc<Self>) -> Result<Arc<Speech>, Refusal> {
        let era = self.starter.era();
        let program = self.starter.program();
        if let Some(speech) = self.verdicts.get(&program) {
            return Ok(speech);
        }
        let _one_at_a_time = self.verdicts.asking.lock().await;
        if let Some(speech) = self.verdicts.get(&program) {
            return Ok(speech);
        }
        let speech = match era {
            WorkerEra::Legacy => Some(Speech::legacy()),
            WorkerEra::Auto => self.ask_both().await?,
            WorkerEra::Modern => {
                let discovered = self.ask_a_fresh_one("server/discover", &discover_params()).await?;
                let discovered = discovered.filter(|answer| answer.kind() == (Kind::Response { error: false }));
                let Some(discovered) = discovered else {
                    let text = "the MCP server behind this broker is configured to speak 2026-07-28 and does not; check worker-era";
                    return Err(Refusal::unavailable("not_modern", 30, text));
                };
                Some(Speech { handshake: false, discovered: Some(discovered) })
            }
        };
        let until = speech.is_none().then(|| Instant::now() + SILENCE_HOLDS);
        let speech = Arc::new(speech.unwrap_or_else(Speech::legacy));
        tracing::info!(
            worker.handshake = speech.handshake,
            worker.stateless = speech.discovered.is_some(),
            worker.silent = until.is_some(),
            "found what the worker program speaks"
        );
        *self.verdicts.known.lock() = Some(Verdict { program, speech: speech.clone(), until });
        Ok(speech)
    }

    /// `None` if the program said nothing to the first question.
    async fn ask_both(self: &Arc<Self>) -> Result<Option<Speech>, Refusal> {
        let Some(answer) = self.ask_a_fresh_one("server/discover", &discover_params()).await? else {
            return Ok(None);
        };
        let discovered = match answer.kind() {
            Kind::Response { error: false } if supports_ours(&answer) => Some(answer),
            // It speaks another stateless revision: nothing that the broker could speak with it, unless it knows the handshake too.
            Kind::Response { error: false } => None,
            Kind::Response { error: true } if code(&answer) == Some(UNSUPPORTED_VERSION) => None,
            _ => return Ok(Some(Speech::legacy())),
        };
        let greeting = self.ask_a_fresh_one("initialize", &handshake_params()).await?;
        let handshake = greeting.is_some_and(|answer| matches!(answer.kind(), Kind::Response { error: false }));
        let none = discovered.is_none() && !handshake;
        Ok(Some(Speech { handshake: handshake || none, discovered }))
    }

    /// One question to a process that is started for it and stopped after it. `None` if it did not answer.
    async fn ask_a_fresh_one(self: &Arc<Self>, method: &str, params: &str) -> Result<Option<Message>, Refusal> {
        self.breaker.admit(Instant::now()).map_err(|wait| {
            let seconds = u32::try_from(wait.as_secs().max(1)).unwrap_or(u32::MAX);
            let text = "the MCP server behind this broker does not start; the operator's log says why";
            Refusal::unavailable("breaker_open", seconds, text)
        })?;
        let access = self.issuer.open();
        let label: Arc<str> = format!("probe-{}", self.next_worker()).into();
        let running = self.launch(&label, &*access).await?;
        let desk: Weak<dyn Desk> = Weak::<Session>::new();
        let parts = Parts {
            scrubber: self.scrubbing.of(&access),
            label,
            user: "".into(),
            access,
            config: self.config.clone(),
            observer: Arc::new(NoObserver),
            tools: self.tools.clone(),
            desk,
            question_numbers: Arc::default(),
            tongue: Tongue::Stateless,
        };
        let worker = Worker::begin(parts, running, &self.tasks);
        let answer = worker.ask(method, Some(params.as_bytes()), self.config.probe_timeout).await.ok();
        worker.stop(Refusal::in_band(UNAVAILABLE, "probed", "this worker was only asked what it speaks"));
        Ok(answer)
    }
}

fn handshake_params() -> String {
    let client = json!({ "name": "fjmcp-broker", "version": env!("CARGO_PKG_VERSION") });
    json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client }).to_string()
}

fn discover_params() -> String {
    json!({ "_meta": meta::of_the_broker() }).to_string()
}

fn supports_ours(answer: &Message) -> bool {
    let versions = answer.payload_member("supportedVersions");
    let versions: Option<Vec<String>> = versions.and_then(|raw| serde_json::from_slice(&raw).ok());
    versions.is_some_and(|versions| versions.iter().any(|version| version == meta::STATELESS_VERSION))
}

fn code(answer: &Message) -> Option<i64> {
    serde_json::from_slice(&answer.payload_member("code")?).ok()
}

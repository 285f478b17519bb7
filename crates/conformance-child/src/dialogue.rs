//! Asking the client, in the manner of either era.
//!
//! A tool says what it wants to know and goes on with the answers. In the legacy era they arrive while it waits; in the modern one it
//! is run again from the start with every retry, and answers that are there already are given at once.

use serde_json::{Map, Value};

use crate::capabilities::{Capabilities, Kind};
use crate::fault::Fault;

mod live;
mod rounds;

pub(crate) use live::{Asks, Live};
pub(crate) use rounds::Rounds;

/// One thing to ask.
#[derive(Debug)]
pub(crate) struct Question {
    /// Names it in an input-required result.
    pub(crate) key: &'static str,
    pub(crate) kind: Kind,
    /// Params of the request that it is.
    pub(crate) params: Value,
}

/// Whether an input-required result carries a `requestState`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Memory {
    /// None: the answers alone are enough to go on.
    None,
    /// It does, and answers count only together with it.
    Sealed,
}

/// Why there is no result.
#[derive(Debug)]
pub(crate) enum Interruption {
    /// A JSON-RPC error.
    Fault(Fault),
    /// 2026-07-28: the client is to come back with answers.
    InputRequired { requests: Map<String, Value>, state: Option<String> },
    /// Before: the client can't answer, or has declined to.
    Unanswered(String),
}

/// The way in which this request's client is asked.
pub(crate) enum Dialogue {
    Live(Live),
    Rounds(Rounds),
}

// === impl Interruption ===

impl From<Fault> for Interruption {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

// === impl Dialogue ===

impl Dialogue {
    pub(crate) fn capabilities(&self) -> &Capabilities {
        match self {
            Self::Live(live) => live.capabilities(),
            Self::Rounds(rounds) => rounds.capabilities(),
        }
    }

    /// The answers, in the order of the questions.
    pub(crate) async fn ask(&mut self, memory: Memory, questions: Vec<Question>) -> Result<Vec<Value>, Interruption> {
        match self {
            Self::Live(live) => live.ask(questions).await,
            Self::Rounds(rounds) => rounds.ask(memory, &questions),
        }
    }

    /// The answer to one question.
    pub(crate) async fn ask_one(&mut self, memory: Memory, question: Question) -> Result<Value, Interruption> {
        Ok(self.ask(memory, vec![question]).await?.pop().unwrap_or_default())
    }
}

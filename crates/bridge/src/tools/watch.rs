//! What has to be done when an answer about tools leaves.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use memchr::memmem::Finder;
use tokio::time::Instant;

use super::{CallOutcome, KnownList, ToolDesk};
use crate::envelope::{Kind, Message, RawId};
use crate::reply::Principal;

/// Accompanies one request about tools until its answer.
pub(crate) struct Watch {
    pub(super) desk: Arc<ToolDesk>,
    pub(super) who: Principal,
    pub(super) what: Watched,
    pub(super) begun: Instant,
}

pub(super) enum Watched {
    List,
    /// The name of the tool.
    Call(Box<str>),
}

// === impl Watch ===

impl Watch {
    /// The worker has answered; what goes out instead.
    pub(crate) fn answered(self, line: Bytes) -> Bytes {
        match &self.what {
            Watched::List => self.desk.shown(&self.who, line),
            Watched::Call(_) => {
                let outcome = outcome(&line);
                self.ended(outcome);
                line
            }
        }
    }

    /// The worker has answered with a list that is known.
    pub(crate) fn listed(self, id: &RawId, list: &KnownList) -> Bytes {
        self.desk.known(&self.who, id, list)
    }

    /// It ended without an answer of the worker.
    pub(crate) fn ended(self, outcome: CallOutcome) {
        if let Watched::Call(tool) = &self.what {
            self.desk.called(&self.who, tool, outcome, self.begun);
        }
    }
}

/// What an answer has that is no plain result.
static TELLING: LazyLock<[Finder<'static>; 3]> =
    LazyLock::new(|| ["\"error\"", "\"isError\"", "\"input_required\""].map(|word| Finder::new(word.as_bytes())));

/// Most answers have none of the words, and are not read again.
fn outcome(line: &Bytes) -> CallOutcome {
    if !TELLING.iter().any(|word| word.find(line).is_some()) {
        return CallOutcome::Answered;
    }
    let Some(message) = Message::of_worker(line) else { return CallOutcome::Answered };
    let is = |member, value: &str| message.payload_member(member).is_some_and(|raw| *raw == *value.as_bytes());
    match message.kind() {
        Kind::Response { error: true } => CallOutcome::Error,
        _ if is("isError", "true") => CallOutcome::ToolError,
        _ if is("resultType", "\"input_required\"") => CallOutcome::InputRequired,
        _ => CallOutcome::Answered,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_tells_how_the_call_ended() {
        for (answer, expected) in [
            (r#""result":{"content":[]}"#, CallOutcome::Answered),
            (r#""result":{"content":[],"isError":true}"#, CallOutcome::ToolError),
            (r#""result":{"content":[],"isError":false}"#, CallOutcome::Answered),
            (r#""result":{"content":[{"type":"text","text":"\"isError\":true \"error\""}]}"#, CallOutcome::Answered),
            (r#""result":{"resultType":"input_required","inputRequests":{}}"#, CallOutcome::InputRequired),
            (r#""error":{"code":-32603,"message":"get issue err: not found"}"#, CallOutcome::Error),
        ] {
            let line = Bytes::from(format!(r#"{{"jsonrpc":"2.0","id":1,{answer}}}"#));
            assert_eq!(outcome(&line), expected, "{answer}");
        }
    }
}

//! Which of a worker's tools a caller sees and may call.
//!
//! Goal: a model is not offered what would be refused anyway, and an operator can take tools away. Choice: lists are filtered where an answer
//! leaves, after every cache, by what holds for the caller at that moment; calls are judged by name before they reach a worker. Rejected:
//! filtering what is cached or recorded, which would have to be undone whenever a grant changes. None of this protects Forgejo: whatever
//! is hidden here is refused by the gateway too, for every worker and under any name.
//!
//! | | in a list | a call |
//! |---|---|---|
//! | taken away by the operator, or behind a closed door | left out | JSON-RPC error -32602 |
//! | writes, and the caller may only read | left out | [`crate::reply::ReplyBody::MayNotWrite`]; in a batch a JSON-RPC error |

mod desk;
mod known;
mod list;
mod pattern;
mod rules;
mod watch;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use self::desk::ToolDesk;
pub(crate) use self::known::KnownList;
pub use self::pattern::Pattern;
pub use self::rules::{Selector, ToolGroup, ToolRules};
pub(crate) use self::watch::Watch;

use crate::reply::Principal;

/// Rules for a worker program's tools, and whoever knows the callers.
#[derive(Clone)]
pub struct Tools {
    /// What holds for the tools of this program.
    pub rules: ToolRules,
    /// What holds for a caller.
    pub policy: Arc<dyn ToolPolicy>,
}

/// What the broker knows of callers, and wants to know of their calls.
pub trait ToolPolicy: Send + Sync + 'static {
    /// Whether the caller may use tools that write, at this moment.
    fn may_write(&self, who: &Principal) -> bool {
        let _ = who;
        true
    }

    /// A call of a tool is over. Called on the forwarding path: implementations only take note.
    fn called(&self, call: &ToolCall<'_>) {
        let _ = call;
    }
}

/// A [`ToolPolicy`] that lets everybody write and takes no note.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoToolPolicy;

impl ToolPolicy for NoToolPolicy {}

/// A call of a tool that is over.
#[derive(Debug, Clone, Copy)]
pub struct ToolCall<'a> {
    /// Who called.
    pub who: &'a Principal,
    /// The name that the caller gave, which may be any text.
    pub tool: &'a str,
    /// How it ended.
    pub outcome: CallOutcome,
    /// From its arrival to its answer.
    pub took: Duration,
}

/// How a call of a tool ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallOutcome {
    /// With a result.
    Answered,
    /// With a result that says `isError`.
    ToolError,
    /// With a JSON-RPC error of the worker.
    Error,
    /// The client was asked something first, and has to call again.
    InputRequired,
    /// The caller may only read.
    MayNotWrite,
    /// The operator has taken the tool away, or it is behind a closed door.
    SwitchedOff,
    /// The bridge itself refused it, for this reason.
    Refused(&'static str),
    /// The client cancelled it.
    Cancelled,
    /// The user has to log in again.
    LogInAgain,
}

// === impl Tools ===

impl Default for Tools {
    /// All tools for everybody.
    fn default() -> Self {
        Self { rules: ToolRules::default(), policy: Arc::new(NoToolPolicy) }
    }
}

impl fmt::Debug for Tools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tools").field("rules", &self.rules).finish_non_exhaustive()
    }
}

// === impl CallOutcome ===

impl CallOutcome {
    /// A word for logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "ok",
            Self::ToolError => "tool_error",
            Self::Error => "error",
            Self::InputRequired => "input_required",
            Self::MayNotWrite => "may_not_write",
            Self::SwitchedOff => "switched_off",
            Self::Refused(label) => label,
            Self::Cancelled => "cancelled",
            Self::LogInAgain => "log_in_again",
        }
    }
}

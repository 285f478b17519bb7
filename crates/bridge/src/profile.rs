//! Worker profiles: what a worker program needs to know, and under which names.
//!
//! A profile is data. What differs between the MCP servers that can stand behind the broker is the name of a variable
//! here and an argument there; nothing else in the bridge knows which program it runs. The token never travels on the
//! command line, which every process of the machine can read.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::tools::Pattern;

mod check;
mod preset;

pub use check::ProfileProblem;
pub use preset::{Preset, UnknownPreset};

/// How one worker program is started.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerProfile {
    /// Appears in logs, metrics and `doctor`.
    pub name: String,
    /// A path, or a name that is looked up in the broker's own PATH once, at start.
    pub command: String,
    /// Arguments, the same for every worker.
    #[serde(default)]
    pub args: Vec<String>,
    /// The variable that carries the base URL.
    pub url_var: String,
    /// The variable that carries the capability.
    pub token_var: String,
    /// Further variables that carry the capability.
    #[serde(default)]
    pub extra_token_vars: Vec<TokenVar>,
    /// Variables with a fixed value.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Names of variables that a worker inherits from the broker, if the broker has them.
    #[serde(default)]
    pub passthrough: Vec<String>,
    /// Files and directories that the program reads or executes besides its own file, what interprets or loads that, and the
    /// system's libraries. From rung 2 of the cage on, it can't open any other.
    #[serde(default)]
    pub allowed_paths: Vec<PathBuf>,
    /// Whether the program starts processes of its own. From rung 2 of the cage on, it can't otherwise.
    #[serde(default)]
    pub may_fork: bool,
    /// Requests that the broker itself makes, in this order, after the handshake of every worker, the first one of a session
    /// as well as one that revives it: they restore the state that this program keeps by itself.
    #[serde(default)]
    pub repeat_calls: Vec<RepeatCall>,
    /// Which protocol era the program speaks.
    #[serde(default)]
    pub era: WorkerEra,
    /// What is known of the program's tools.
    #[serde(default)]
    pub tools: ToolMarks,
}

/// What is known of a program's tools, for who may not use all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolMarks {
    /// Names of the tools that only read.
    #[serde(default)]
    pub reads: Vec<Pattern>,
    /// Whether the program's `readOnlyHint` is honest; where a tool has one, it then counts instead of the name.
    #[serde(default)]
    pub trust_annotations: bool,
    /// Tools that reach what the gateway keeps closed, by the gateway's name for the group.
    #[serde(default)]
    pub doors: BTreeMap<String, Vec<Pattern>>,
}

/// Which era of MCP a worker program speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WorkerEra {
    /// Found by asking a process that is used for nothing else.
    #[default]
    Auto,
    /// The revisions up to 2025-11-25, which begin with `initialize`. Nothing is asked.
    Legacy,
    /// 2026-07-28 alone: legacy clients get their sessions from the broker.
    Modern,
}

/// A further variable that carries the capability.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenVar {
    /// The variable's name.
    pub name: String,
    /// The program insists that this token is another one than the first. It gets a space at its end, which is not part of
    /// the header's value once it is sent (RFC 9110 §5.5), so that both are the same capability to the gateway.
    #[serde(default)]
    pub distinct: bool,
}

/// One request of [`WorkerProfile::repeat_calls`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RepeatCall {
    /// JSON-RPC method.
    pub method: String,
    /// JSON-RPC params.
    #[serde(default)]
    pub params: serde_json::Value,
}

// === impl WorkerProfile ===

impl WorkerProfile {
    /// Everything that is wrong with this profile, so that an operator sees it at once; empty if it can be used.
    #[must_use]
    pub fn problems(&self) -> Vec<ProfileProblem> {
        check::problems(self)
    }
}

impl fmt::Debug for WorkerProfile {
    /// Values of variables stay out: an operator may have put anything there.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerProfile")
            .field("name", &self.name)
            .field("command", &self.command)
            .field("args", &self.args)
            .field("url_var", &self.url_var)
            .field("token_var", &self.token_var)
            .field("extra_token_vars", &self.extra_token_vars)
            .field("env", &self.env.keys().collect::<Vec<_>>())
            .field("passthrough", &self.passthrough)
            .field("allowed_paths", &self.allowed_paths)
            .field("may_fork", &self.may_fork)
            .field("repeat_calls", &self.repeat_calls)
            .field("era", &self.era)
            .field("tools", &self.tools)
            .finish()
    }
}

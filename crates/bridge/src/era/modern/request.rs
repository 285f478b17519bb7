//! A request of 2026-07-28 that has passed the checks.

use bytes::Bytes;
use serde::Deserialize;

use crate::envelope::{Message, RawId, member};
use crate::reply::Principal;

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) who: Principal,
    /// As the client sent it.
    pub(crate) message: Message,
    pub(crate) id: RawId,
    pub(crate) method: Method,
    /// What its `_meta` says of the client.
    pub(crate) capabilities: ClientCapabilities,
    /// The level at or above which it wants log messages.
    pub(crate) log_level: Option<LogLevel>,
}

/// The methods of 2026-07-28.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Method {
    Discover,
    Listen,
    ToolsList,
    ToolsCall,
    PromptsList,
    PromptsGet,
    ResourcesList,
    ResourceTemplatesList,
    ResourcesRead,
    Complete,
}

/// Log levels (RFC 5424 §6.2.1), the most verbose one first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogLevel {
    Debug,
    Info,
    Notice,
    Warning,
    Error,
    Critical,
    Alert,
    Emergency,
}

/// What a client says it can be asked; raw JSON, because what is not known here is a modern worker's business.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ClientCapabilities(pub(crate) Bytes);

// === impl ClientCapabilities ===

impl ClientCapabilities {
    /// Whether a capability, or a member within it, is declared.
    pub(crate) fn has(&self, path: &[&str]) -> bool {
        has_member(&self.0, path)
    }
}

/// Whether there is an object, or anything but `false` and `null`, at the end of this path.
pub(super) fn has_member(object: &Bytes, path: &[&str]) -> bool {
    let mut value = object.clone();
    for name in path {
        match member(&value, name) {
            Some(found) => value = found,
            None => return false,
        }
    }
    !matches!(&*value, b"false" | b"null")
}

// === impl Method ===

impl Method {
    const ALL: [Self; 10] = [
        Self::Discover,
        Self::Listen,
        Self::ToolsList,
        Self::ToolsCall,
        Self::PromptsList,
        Self::PromptsGet,
        Self::ResourcesList,
        Self::ResourceTemplatesList,
        Self::ResourcesRead,
        Self::Complete,
    ];

    pub(crate) fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Discover => "server/discover",
            Self::Listen => "subscriptions/listen",
            Self::ToolsList => "tools/list",
            Self::ToolsCall => "tools/call",
            Self::PromptsList => "prompts/list",
            Self::PromptsGet => "prompts/get",
            Self::ResourcesList => "resources/list",
            Self::ResourceTemplatesList => "resources/templates/list",
            Self::ResourcesRead => "resources/read",
            Self::Complete => "completion/complete",
        }
    }

    /// The member of `params` that `Mcp-Name` repeats (H02).
    pub(crate) fn named_by(self) -> Option<&'static str> {
        match self {
            Self::ToolsCall | Self::PromptsGet => Some("name"),
            Self::ResourcesRead => Some("uri"),
            _ => None,
        }
    }

    /// The capability of the server without which it is not served.
    pub(crate) fn capability(self) -> Option<&'static str> {
        match self {
            Self::Discover | Self::Listen => None,
            Self::ToolsList | Self::ToolsCall => Some("tools"),
            Self::PromptsList | Self::PromptsGet => Some("prompts"),
            Self::ResourcesList | Self::ResourceTemplatesList | Self::ResourcesRead => Some("resources"),
            Self::Complete => Some("completions"),
        }
    }

    /// Whether its results say how long they keep (D02).
    pub(crate) fn is_cacheable(self) -> bool {
        self.is_list() || matches!(self, Self::Discover | Self::ResourcesRead)
    }

    pub(crate) fn is_list(self) -> bool {
        matches!(self, Self::ToolsList | Self::PromptsList | Self::ResourcesList | Self::ResourceTemplatesList)
    }

    /// Whether it may be answered with a request for input (R01).
    pub(crate) fn may_ask(self) -> bool {
        self.named_by().is_some()
    }
}

// === impl LogLevel ===

impl LogLevel {
    pub(crate) fn read(raw: &[u8]) -> Option<Self> {
        serde_json::from_slice(raw).ok()
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
            Self::Alert => "alert",
            Self::Emergency => "emergency",
        }
    }
}

//! What the client can be asked for.

use serde_json::{Map, Value, json};

/// A kind of question to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Elicitation,
    Sampling,
    Roots,
}

/// `ClientCapabilities` as declared, at `initialize` or in a request's `_meta`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Capabilities(Map<String, Value>);

// === impl Kind ===

impl Kind {
    pub(crate) fn method(self) -> &'static str {
        match self {
            Self::Elicitation => "elicitation/create",
            Self::Sampling => "sampling/createMessage",
            Self::Roots => "roots/list",
        }
    }

    pub(crate) fn capability(self) -> &'static str {
        match self {
            Self::Elicitation => "elicitation",
            Self::Sampling => "sampling",
            Self::Roots => "roots",
        }
    }

    /// Whether `answer` has the form of an answer to this kind of question.
    pub(crate) fn accepts(self, answer: &Value) -> bool {
        match self {
            Self::Elicitation => match answer["action"].as_str() {
                Some("accept") => answer["content"].is_object(),
                Some("decline" | "cancel") => true,
                _ => false,
            },
            Self::Sampling => {
                let content = &answer["content"];
                answer["role"].is_string() && answer["model"].is_string() && (content.is_object() || content.is_array())
            }
            Self::Roots => {
                answer["roots"].as_array().is_some_and(|roots| roots.iter().all(|root| root["uri"].is_string()))
            }
        }
    }
}

// === impl Capabilities ===

impl Capabilities {
    pub(crate) fn read(value: &Value) -> Option<Self> {
        value.as_object().cloned().map(Self)
    }

    /// Whether the client takes this kind of question. An elicitation of ours is a form, which a bare `elicitation` means as well.
    pub(crate) fn declare(&self, kind: Kind) -> bool {
        match (self.0.get(kind.capability()), kind) {
            (Some(Value::Object(modes)), Kind::Elicitation) => modes.is_empty() || modes.contains_key("form"),
            (Some(Value::Object(_)), _) => true,
            _ => false,
        }
    }
}

/// The `ClientCapabilities` object that names these kinds.
pub(crate) fn naming(kinds: &[Kind]) -> Value {
    kinds.iter().map(|kind| (kind.capability().to_owned(), json!({}))).collect::<Map<_, _>>().into()
}

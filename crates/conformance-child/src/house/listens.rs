//! Open `subscriptions/listen` requests (mcp.md §3.10, L01 to L08).

use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use super::Change;
use crate::features::resources;
use crate::message::Id;

/// Those that are open, in the order in which they were opened.
#[derive(Default)]
pub(crate) struct Listens(Mutex<Vec<Listen>>);

struct Listen {
    id: Id,
    filter: Filter,
}

/// What one listen wants to hear of, as far as it can be had.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    tools: bool,
    prompts: bool,
    resources: Vec<String>,
}

// === impl Filter ===

impl Filter {
    /// The part of a `SubscriptionFilter` that is honoured. Unknown members are left out; a member of the wrong type is an error.
    pub(crate) fn read(wanted: &Map<String, Value>) -> Result<Self, String> {
        let flag = |name: &str| match wanted.get(name) {
            None => Ok(false),
            Some(Value::Bool(on)) => Ok(*on),
            Some(_) => Err(format!("`notifications.{name}` is neither true nor false")),
        };
        let uris = match wanted.get("resourceSubscriptions") {
            None => Vec::new(),
            Some(Value::Array(uris)) => uris
                .iter()
                .map(|uri| uri.as_str().map(str::to_owned))
                .collect::<Option<Vec<_>>>()
                .ok_or("`notifications.resourceSubscriptions` holds something else than strings")?,
            Some(_) => return Err("`notifications.resourceSubscriptions` is not an array".to_owned()),
        };
        Ok(Self {
            tools: flag("toolsListChanged")?,
            prompts: flag("promptsListChanged")?,
            resources: uris.into_iter().filter(|uri| resources::exists(uri)).collect(),
        })
    }

    /// As it is acknowledged (L02).
    pub(crate) fn acknowledged(&self) -> Value {
        let mut honoured = Map::new();
        if self.tools {
            honoured.insert("toolsListChanged".into(), true.into());
        }
        if self.prompts {
            honoured.insert("promptsListChanged".into(), true.into());
        }
        if !self.resources.is_empty() {
            honoured.insert("resourceSubscriptions".into(), self.resources.clone().into());
        }
        honoured.into()
    }

    fn wants(&self, change: Change<'_>) -> bool {
        match change {
            Change::Tools => self.tools,
            Change::Prompts => self.prompts,
            Change::Resource(uri) => self.resources.iter().any(|wanted| wanted == uri),
        }
    }
}

// === impl Listens ===

impl Listens {
    pub(crate) fn open(&self, id: Id, filter: Filter) {
        self.0.lock().push(Listen { id, filter });
    }

    pub(crate) fn has(&self, id: &Id) -> bool {
        self.0.lock().iter().any(|listen| listen.id == *id)
    }

    pub(crate) fn close(&self, id: &Id) {
        self.0.lock().retain(|listen| listen.id != *id);
    }

    pub(super) fn wanting(&self, change: Change<'_>) -> Vec<Id> {
        let listens = self.0.lock();
        listens.iter().filter(|listen| listen.filter.wants(change)).map(|listen| listen.id.clone()).collect()
    }

    /// Ends all of them; whose they were.
    pub(crate) fn drain(&self) -> Vec<Id> {
        self.0.lock().drain(..).map(|listen| listen.id).collect()
    }
}

/// The `_meta` that every message of a listen carries (L03).
pub(crate) fn tag(id: &Id) -> Value {
    json!({ "io.modelcontextprotocol/subscriptionId": id.as_value() })
}

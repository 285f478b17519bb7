//! Resources: what 2.34.1 offers, and a note of the fixture's own that can be subscribed to.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use reqwest::Method;
use serde_json::json;

use crate::api::Request;
use crate::output::Answer;
use crate::server::Fixture;

/// The resource that `touch_resource` changes.
pub(crate) const NOTE: &str = "fixture://note";

/// Subscriptions and the note's state.
#[derive(Debug, Default)]
pub(crate) struct Resources {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    subscribed: BTreeSet<String>,
    edition: u64,
}

// === impl Resources ===

impl Resources {
    pub(crate) fn subscribe(&self, uri: &str) {
        self.lock().subscribed.insert(uri.to_owned());
    }

    pub(crate) fn unsubscribe(&self, uri: &str) {
        self.lock().subscribed.remove(uri);
    }

    /// Changes the note. True if `uri` is subscribed to.
    pub(crate) fn touch(&self, uri: &str) -> bool {
        let mut state = self.lock();
        state.edition += 1;
        state.subscribed.contains(uri)
    }

    pub(crate) fn subscribed(&self) -> Vec<String> {
        self.lock().subscribed.iter().cloned().collect()
    }

    fn edition(&self) -> u64 {
        self.lock().edition
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// resources/list
pub(crate) fn list(fixture: &Fixture) -> Answer {
    let resources = if fixture.options.subscribe {
        json!([{ "uri": NOTE, "name": "Note", "mimeType": "text/plain" }])
    } else {
        json!([])
    };
    Answer::Result(json!({ "resources": resources }).to_string())
}

/// resources/templates/list
pub(crate) fn templates(fixture: &Fixture) -> Answer {
    let templates = if fixture.options.habits.has_resources() {
        json!([
            { "uriTemplate": "forgejo://repo/{owner}/{repo}", "name": "Forgejo Repository" },
            { "uriTemplate": "forgejo://repo/{owner}/{repo}/issue/{index}", "name": "Forgejo Issue" },
            { "uriTemplate": "forgejo://repo/{owner}/{repo}/pr/{index}", "name": "Forgejo Pull Request" },
        ])
    } else {
        json!([])
    };
    Answer::Result(json!({ "resourceTemplates": templates }).to_string())
}

/// resources/read
pub(crate) async fn read(fixture: &Fixture, uri: &str) -> Answer {
    if fixture.options.subscribe && uri == NOTE {
        let text = format!("edition {}", fixture.resources.edition());
        return contents(uri, "text/plain", &text);
    }
    let Some(path) = path_of(uri).filter(|_| fixture.options.habits.has_resources()) else {
        let message = format!("handler not found for resource URI '{uri}': resource not found");
        return Answer::Error { code: -32002, message };
    };
    let request = Request { method: Method::GET, path, query: Vec::new(), body: None };
    match fixture.api.call(&request).await {
        Ok(body) => contents(uri, "application/json", &body),
        Err(error) if error.is_not_found() => {
            Answer::internal(format!("resource \"{uri}\": not found: 404 {error} (code -32003)"))
        }
        Err(error) => Answer::internal(format!("resource \"{uri}\": {error}")),
    }
}

fn contents(uri: &str, kind: &str, text: &str) -> Answer {
    Answer::Result(json!({ "contents": [{ "uri": uri, "mimeType": kind, "text": text }] }).to_string())
}

fn path_of(uri: &str) -> Option<Vec<&str>> {
    let parts: Vec<&str> = uri.strip_prefix("forgejo://repo/")?.split('/').collect();
    match parts.as_slice() {
        [owner, repo] => Some(vec!["repos", owner, repo]),
        [owner, repo, "issue", index] => Some(vec!["repos", owner, repo, "issues", index]),
        [owner, repo, "pr", index] => Some(vec!["repos", owner, repo, "pulls", index]),
        _ => None,
    }
}

//! What the gateway answers to a starting worker by itself, so that a start never depends on Forgejo.
//!
//! forgejo-mcp asks `GET /api/v1/version`, and older releases `GET /api/v1/user`, before they read a word from their
//! client, exit on a refusal and hang on silence. The version is the last one that Forgejo gave for a living credential.

use bytes::Bytes;
use http::Method;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Duration, Instant};

use super::path::TargetPath;
use crate::token_source::KnownIdentity;

/// Stands in until Forgejo's version is known: old enough that no client expects what may be missing.
const PLACEHOLDER_VERSION: &str = "11.0.0+gitea-1.22.0";

/// The version is asked for again at most this often.
const VERSION_AGE: Duration = Duration::from_mins(10);

/// A version longer than this is none, in bytes.
const LONGEST_VERSION: usize = 64;

/// A request that a starting worker makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Probe {
    Version,
    User,
}

/// Forgejo's version, as last seen.
#[derive(Debug, Default)]
pub(super) struct VersionMemory {
    version: Mutex<Option<String>>,
    asked_at: Mutex<Option<Instant>>,
}

#[derive(Deserialize)]
struct VersionAnswer {
    version: String,
}

// === impl Probe ===

impl Probe {
    /// Whether a request is a probe.
    pub(super) fn of(method: &Method, path: &TargetPath) -> Option<Self> {
        match path.api()? {
            [only] if *method == Method::GET && only == "version" => Some(Self::Version),
            [only] if *method == Method::GET && only == "user" => Some(Self::User),
            _ => None,
        }
    }
}

// === impl VersionMemory ===

impl VersionMemory {
    /// The version to answer.
    pub(super) fn current(&self) -> String {
        self.version.lock().clone().unwrap_or_else(|| PLACEHOLDER_VERSION.to_owned())
    }

    /// The version as last seen, if it was.
    pub(super) fn seen(&self) -> Option<String> {
        self.version.lock().clone()
    }

    /// Keeps a version, if it looks like one.
    pub(super) fn keep(&self, version: &str) {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".+-_~".contains(&byte);
        if !version.is_empty() && version.len() <= LONGEST_VERSION && version.bytes().all(plain) {
            *self.version.lock() = Some(version.to_owned());
        }
    }

    /// Keeps the version of Forgejo's answer to `GET /api/v1/version`.
    pub(super) fn keep_answer(&self, body: &[u8]) {
        if let Ok(answer) = serde_json::from_slice::<VersionAnswer>(body) {
            self.keep(&answer.version);
        }
    }

    /// Whether it is time to ask; a yes counts as having asked.
    pub(super) fn is_due(&self) -> bool {
        let now = Instant::now();
        let mut asked_at = self.asked_at.lock();
        let due = asked_at.is_none_or(|at| now.saturating_duration_since(at) >= VERSION_AGE);
        if due {
            *asked_at = Some(now);
        }
        due
    }
}

/// The body that answers `GET /api/v1/version`.
pub(super) fn version_body(memory: &VersionMemory) -> Bytes {
    Bytes::from(json!({ "version": memory.current() }).to_string())
}

/// The body that answers `GET /api/v1/user`, in the shape of Forgejo's `User`.
pub(super) fn user_body(identity: Option<&KnownIdentity>, public: &str) -> Bytes {
    let (id, login) = identity.map_or((0, "not-logged-in-yet"), |identity| (identity.id, identity.login.as_str()));
    Bytes::from(
        json!({
            "id": id,
            "login": login,
            "login_name": "",
            "source_id": 0,
            "full_name": "",
            "email": "",
            "avatar_url": "",
            "html_url": format!("{public}{login}"),
            "language": "",
            "is_admin": false,
            "last_login": "1970-01-01T00:00:00Z",
            "created": "1970-01-01T00:00:00Z",
            "restricted": false,
            "active": true,
            "prohibit_login": false,
            "location": "",
            "pronouns": "",
            "website": "",
            "description": "",
            "visibility": "public",
            "followers_count": 0,
            "following_count": 0,
            "starred_repos_count": 0,
            "username": login,
        })
        .to_string(),
    )
}

#[cfg(test)]
mod tests;

//! What all handlers share: configuration, clock, key, state, log, faults.

use std::sync::Arc;

use parking_lot::Mutex;
use url::Url;

use crate::{
    config::{Profile, SimConfig},
    fault::Faults,
    model::State,
    oauth::{jwt::Signer, race::Races},
    request_log::RequestLog,
    secret::{Issued, SecretKind},
};

/// A running stand-in's inside.
pub(crate) struct Site {
    pub(crate) config: SimConfig,
    /// `ROOT_URL` with its trailing slash: the beginning of every URL that the server states, whatever Host says.
    pub(crate) root: String,
    /// Path of the root URL without its trailing slash.
    pub(crate) base_path: String,
    pub(crate) signer: Arc<Signer>,
    pub(crate) state: Mutex<State>,
    pub(crate) issued: Issued,
    pub(crate) log: RequestLog,
    pub(crate) faults: Faults,
    pub(crate) races: Races,
}

// === impl Site ===

impl Site {
    pub(crate) fn new(config: SimConfig, root: &Url, signer: Arc<Signer>) -> Self {
        let root = if root.as_str().ends_with('/') { root.to_string() } else { format!("{root}/") };
        let base_path = Url::parse(&root).map(|url| url.path().trim_end_matches('/').to_owned()).unwrap_or_default();
        Self {
            config,
            root,
            base_path,
            signer,
            state: Mutex::default(),
            issued: Issued::default(),
            log: RequestLog::default(),
            faults: Faults::default(),
            races: Races::default(),
        }
    }

    pub(crate) const fn profile(&self) -> Profile {
        self.config.profile
    }

    /// Seconds since the Unix epoch.
    pub(crate) fn now(&self) -> i64 {
        self.config.clock.now_secs()
    }

    /// A URL below the root URL.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.root)
    }

    /// The issuer of id tokens and of the discovery document.
    pub(crate) fn issuer(&self) -> &str {
        if self.profile().issuer_ends_in_slash() { &self.root } else { self.root.trim_end_matches('/') }
    }

    pub(crate) fn invalidates_refresh_tokens(&self) -> bool {
        self.config.invalidate_refresh_tokens.unwrap_or(self.profile() != Profile::Gitea)
    }

    pub(crate) fn confirms_email(&self) -> bool {
        self.config.register_email_confirm.unwrap_or(self.profile() != Profile::V11)
    }

    /// Keeps a secret for [`crate::RunningSim::issued_secrets`] and hands it on.
    pub(crate) fn issue(&self, kind: SecretKind, value: String) -> String {
        self.issued.note(kind, &value);
        value
    }
}

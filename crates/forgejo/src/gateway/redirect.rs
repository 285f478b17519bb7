//! Where an address that Forgejo gives leads: back inwards, to storage that the operator allows, or to a stranger.

use std::fmt;

use http::{Method, StatusCode};
use parking_lot::RwLock;
use url::{Origin, Url};

/// The origins that the gateway knows.
pub(super) struct Origins {
    /// Forgejo's bases, back channel first; every path ends with a slash.
    bases: [Url; 2],
    storage: RwLock<Vec<Origin>>,
}

/// Where an address leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Destination {
    /// The same Forgejo: what follows its base, beginning with a slash.
    Inwards {
        /// The raw path.
        path: String,
        /// The raw query.
        query: Option<String>,
    },
    /// An origin on the operator's list.
    Storage(Url),
    /// Anybody else; the text is host and port as parsed.
    Foreign(String),
}

// === impl Origins ===

impl Origins {
    pub(super) fn new(back_channel: &Url, public: &Url, storage: &[Url]) -> Self {
        Self { bases: [with_slash(back_channel), with_slash(public)], storage: RwLock::new(origins(storage)) }
    }

    /// Other storage from now on.
    pub(super) fn replace_storage(&self, storage: &[Url]) {
        *self.storage.write() = origins(storage);
    }

    /// Forgejo's base on the back channel.
    pub(super) fn back_channel(&self) -> &Url {
        let [back_channel, _] = &self.bases;
        back_channel
    }

    /// Forgejo's base as browsers know it.
    pub(super) fn public(&self) -> &Url {
        let [_, public] = &self.bases;
        public
    }

    /// Where a `Location` leads that answered a request for `asked`.
    pub(super) fn follow(&self, asked: &Url, location: &str) -> Destination {
        asked.join(location).map_or_else(|_| Destination::Foreign("unreadable".to_owned()), |url| self.classify(url))
    }

    /// Where an absolute address leads.
    pub(super) fn classify(&self, url: Url) -> Destination {
        let plain = url.username().is_empty() && url.password().is_none();
        let base = self.bases.iter().find(|base| plain && base.origin() == url.origin());
        if let Some(rest) = base.and_then(|base| url.path().strip_prefix(base.path())) {
            return Destination::Inwards { path: format!("/{rest}"), query: url.query().map(str::to_owned) };
        }
        if plain && self.storage.read().contains(&url.origin()) {
            return Destination::Storage(url);
        }
        let host = url.host_str().unwrap_or("no host");
        Destination::Foreign(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
    }
}

impl fmt::Debug for Origins {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Origins")
            .field("back_channel", &self.back_channel().as_str())
            .field("public", &self.public().as_str())
            .finish_non_exhaustive()
    }
}

/// The method with which a client follows a redirect (RFC 9110 §15.4).
pub(super) fn method_after(status: StatusCode, method: &Method) -> Method {
    match status {
        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => method.clone(),
        _ if *method == Method::HEAD => Method::HEAD,
        StatusCode::SEE_OTHER => Method::GET,
        _ if *method == Method::POST => Method::GET,
        _ => method.clone(),
    }
}

fn origins(storage: &[Url]) -> Vec<Origin> {
    storage.iter().map(Url::origin).filter(Origin::is_tuple).collect()
}

fn with_slash(base: &Url) -> Url {
    let mut base = base.clone();
    base.set_query(None);
    base.set_fragment(None);
    if !base.path().ends_with('/') {
        let path = format!("{}/", base.path());
        base.set_path(&path);
    }
    base
}

#[cfg(test)]
mod tests;

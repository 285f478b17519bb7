//! What a call to a worker of 2026-07-28 carries besides its bytes.

use bytes::Bytes;
use serde_json::json;

use crate::envelope::Message;
use crate::era::modern::request::{LogLevel, Method};
use crate::meta;
use crate::request_state::LazyBinding;

/// Whose call it is.
pub(crate) enum Errand {
    /// A legacy client's: the broker says in `_meta` what such a client has said once and for all.
    Legacy(Box<Legacy>),
    /// A client's of the same era: it has said everything itself.
    Modern(Box<Modern>),
}

pub(crate) struct Legacy {
    pub(crate) meta: ClientMeta,
    /// The request as it came, for the retry after an input-required result.
    pub(crate) original: Message,
    /// Input-required results so far.
    pub(crate) rounds: u8,
}

pub(crate) struct Modern {
    pub(crate) method: Method,
    /// The level at or above which it wants log messages.
    pub(crate) log_level: Option<LogLevel>,
    /// What a `requestState` in its answer will be good for.
    pub(crate) binding: LazyBinding,
    /// Whether it asks for a list from its beginning.
    pub(crate) first_page: bool,
    /// Whether it brings what an input-required result has asked for.
    pub(crate) retry: bool,
}

/// What a legacy client has said of itself, as raw JSON.
#[derive(Debug, Clone)]
pub(crate) struct ClientMeta {
    capabilities: Bytes,
    client_info: Bytes,
    log_level: Option<Bytes>,
}

// === impl Errand ===

impl Errand {
    pub(crate) fn legacy(meta: ClientMeta, original: &Message) -> Self {
        Self::Legacy(Box::new(Legacy { meta, original: original.clone(), rounds: 0 }))
    }
}

// === impl ClientMeta ===

impl ClientMeta {
    /// From the params of `initialize`, and the level of the last `logging/setLevel`.
    pub(crate) fn of_session(initialize: &[u8], log_level: &str) -> Self {
        #[derive(serde::Deserialize)]
        struct Params<'a> {
            #[serde(borrow)]
            capabilities: Option<&'a serde_json::value::RawValue>,
            #[serde(borrow, rename = "clientInfo")]
            client_info: Option<&'a serde_json::value::RawValue>,
        }
        let raw = |raw: Option<&serde_json::value::RawValue>| {
            raw.map(|raw| raw.get().as_bytes()).filter(|raw| raw.starts_with(b"{")).map(Bytes::copy_from_slice)
        };
        let said = serde_json::from_slice::<Params<'_>>(initialize).ok();
        let (capabilities, client_info) =
            said.map_or((None, None), |said| (raw(said.capabilities), raw(said.client_info)));
        let own = Self::of_nobody();
        Self {
            capabilities: capabilities.unwrap_or(own.capabilities),
            client_info: client_info.unwrap_or(own.client_info),
            log_level: Some(json!(log_level).to_string().into()),
        }
    }

    /// Of a legacy request without a session: nothing is known of its client.
    pub(crate) fn of_nobody() -> Self {
        let broker = json!({ "name": "fjmcp-broker", "version": env!("CARGO_PKG_VERSION") });
        Self { capabilities: Bytes::from_static(b"{}"), client_info: broker.to_string().into(), log_level: None }
    }

    /// As members of `_meta`.
    pub(crate) fn members(&self) -> Vec<(&'static str, &[u8])> {
        let mut members: Vec<(&'static str, &[u8])> = vec![
            (meta::VERSION, b"\"2026-07-28\""),
            (meta::CAPABILITIES, &self.capabilities),
            (meta::CLIENT_INFO, &self.client_info),
        ];
        members.extend(self.log_level.as_deref().map(|level| (meta::LOG_LEVEL, level)));
        members
    }
}

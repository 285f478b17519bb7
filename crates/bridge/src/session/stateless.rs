//! A session on a worker of 2026-07-28, which knows of no sessions: what the worker lacks, the broker keeps.
//!
//! The answer to `initialize` is made from what the worker says in `server/discover`; each request says in `_meta` what the
//! client has said once; one `subscriptions/listen` of the broker's own brings the changes that the client is to hear of. It is
//! opened anew when the subscriptions change: the old one ends when the new one is acknowledged, so that nothing is missed.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::Session;
use crate::envelope::Message;
use crate::era::{LATEST_LEGACY, LEGACY_VERSIONS};
use crate::errand::{ClientMeta, Errand};
use crate::event_log::{Pushed, Weight};
use crate::meta;
use crate::observer::DroppedMessage;
use crate::refusal::{GONE, INVALID_PARAMS, METHOD_NOT_FOUND, Refusal, UNAVAILABLE};
use crate::speech::Tongue;
use crate::worker::Worker;

/// What a client that never set a level gets to hear: enough to follow, no more.
const DEFAULT_LEVEL: &str = "info";
pub(crate) const ACKNOWLEDGED: &str = "notifications/subscriptions/acknowledged";

/// The session's own listen.
#[derive(Default)]
pub(super) struct Listening {
    /// One change of the filter at a time.
    changing: tokio::sync::Mutex<()>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    offered: Offered,
    current: Option<Listen>,
    /// Not acknowledged yet.
    awaited: Option<(Listen, oneshot::Sender<Acknowledged>)>,
}

#[derive(Clone, PartialEq, Eq)]
struct Listen {
    worker: Arc<str>,
    number: u64,
}

struct Acknowledged {
    /// The URIs whose changes will be told.
    uris: Vec<String>,
    /// The listen that the new one replaces.
    replaced: Option<Listen>,
}

/// What the worker can tell of.
#[derive(Debug, Clone, Default)]
struct Offered {
    /// The members of a filter that ask for changes of lists.
    lists: Vec<&'static str>,
    subscribe: bool,
}

/// A capability whose `listChanged` may be set, and the member of a filter that asks for it.
const LISTS: [(&str, &str); 3] =
    [("tools", "toolsListChanged"), ("prompts", "promptsListChanged"), ("resources", "resourcesListChanged")];

// === impl Offered ===

impl Offered {
    fn read(capabilities: &[u8]) -> Self {
        let capabilities: Value = serde_json::from_slice(capabilities).unwrap_or_default();
        let flag = |of: &str, name: &str| capabilities[of][name] == true;
        let lists = LISTS.into_iter().filter(|(of, _)| flag(of, "listChanged")).map(|(_, member)| member).collect();
        Self { lists, subscribe: flag("resources", "subscribe") }
    }

    /// The filter of a listen; empty if there is nothing to listen for.
    fn filter(&self, uris: &[String]) -> Map<String, Value> {
        let mut filter: Map<String, Value> =
            self.lists.iter().map(|member| ((*member).to_owned(), true.into())).collect();
        if !uris.is_empty() {
            filter.insert("resourceSubscriptions".to_owned(), uris.into());
        }
        filter
    }
}

// === impl Session ===

impl Session {
    /// What a call of this session needs on a worker of the kind.
    pub(crate) fn errand(&self, message: &Message, tongue: Tongue) -> Option<Errand> {
        (tongue == Tongue::Stateless).then(|| Errand::legacy(self.client_meta(), message))
    }

    fn client_meta(&self) -> ClientMeta {
        let state = self.state.lock();
        ClientMeta::of_session(&state.record.initialize, state.record.log_level.as_deref().unwrap_or(DEFAULT_LEVEL))
    }

    /// The answer to `initialize`, from the answer to `server/discover`.
    pub(super) fn greeting_from(&self, discovered: Message) -> Message {
        let initialize = self.state.lock().record.initialize.clone();
        let asked: Value = serde_json::from_slice(&initialize).unwrap_or_default();
        let asked = asked["protocolVersion"].as_str().unwrap_or_default();
        let version = LEGACY_VERSIONS.into_iter().find(|known| *known == asked).unwrap_or(LATEST_LEGACY);
        let capabilities = discovered.payload_member("capabilities").unwrap_or(Bytes::from_static(b"{}"));
        self.listening.inner.lock().offered = Offered::read(&capabilities);
        let version = json!(version).to_string();
        let info = discovered.in_payload(&["_meta", meta::SERVER_INFO]).map(|(_, raw)| raw);
        let info = info.or_else(|| discovered.payload_member("serverInfo"));
        let info = info.unwrap_or(Bytes::from_static(br#"{"name":"worker","version":"0"}"#));
        let mut line = [
            br#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"#,
            version.as_bytes(),
            br#","capabilities":"#,
            &capabilities,
            br#","serverInfo":"#,
            &info,
        ]
        .concat();
        if let Some(instructions) = discovered.payload_member("instructions") {
            line.extend_from_slice(br#","instructions":"#);
            line.extend_from_slice(&instructions);
        }
        line.extend_from_slice(b"}}");
        Message::of_worker(&line.into()).unwrap_or(discovered)
    }

    /// `logging/setLevel`: from now on each request names the level.
    pub(crate) fn set_level(&self, level: String) {
        let mut state = self.state.lock();
        state.record.log_level = Some(level);
        self.ledger.mark(state.record.clone());
    }

    /// Begins to listen for what the client is to be told of, if anything.
    pub(super) fn begin_listening(&self) {
        let Some(session) = self.me.upgrade() else { return };
        tokio::spawn(async move {
            let _changing = session.listening.changing.lock().await;
            let Ok(worker) = session.seat.worker().await else { return };
            let uris = session.state.lock().record.subscriptions.clone();
            if worker.tongue == Tongue::Stateless
                && let Err(refusal) = session.listen(&worker, &uris).await
            {
                tracing::warn!(worker.label = %worker.label, reason = %refusal.message, "changes are not listened for");
            }
        });
    }

    /// `resources/subscribe` and, without `on`, `resources/unsubscribe`.
    pub(crate) async fn subscribe(&self, uri: String, on: bool) -> Result<(), Refusal> {
        let _changing = self.listening.changing.lock().await;
        let worker = self.seat.worker().await.map_err(|failure| failure.refusal())?;
        if !self.listening.inner.lock().offered.subscribe {
            let text = "the server has no subscriptions to resources";
            return Err(Refusal::in_band(METHOD_NOT_FOUND, "no_subscriptions", text));
        }
        let before = self.state.lock().record.subscriptions.clone();
        let mut uris = before.clone();
        uris.retain(|present| *present != uri);
        if on {
            uris.push(uri.clone());
        }
        if uris.len() > self.config.max_subscriptions {
            let text = "the session has as many subscriptions as it may have; unsubscribe from some first";
            return Err(Refusal::in_band(UNAVAILABLE, "subscription_limit", text));
        }
        let honoured = self.listen(&worker, &uris).await?;
        if on && !honoured.contains(&uri) {
            self.listen(&worker, &before).await?;
            let text = "the server tells of no changes of this resource";
            return Err(Refusal::in_band(INVALID_PARAMS, "not_subscribed", text));
        }
        let mut state = self.state.lock();
        state.record.subscriptions = uris;
        self.ledger.mark(state.record.clone());
        Ok(())
    }

    /// Listens for the lists and for these resources. The URIs that the worker agreed to.
    async fn listen(&self, worker: &Arc<Worker>, uris: &[String]) -> Result<Vec<String>, Refusal> {
        let ended = || Refusal::in_band(UNAVAILABLE, "worker_ended", "the worker has ended");
        let filter = self.listening.inner.lock().offered.filter(uris);
        if filter.is_empty() {
            let old = self.listening.inner.lock().current.take();
            if let Some(old) = old.filter(|old| old.worker == worker.label) {
                worker.close_listen(old.number);
            }
            return Ok(Vec::new());
        }
        let request = json!({"jsonrpc":"2.0","id":0,"method":crate::worker::LISTEN,"params":{"notifications":filter}});
        let request = Message::of_worker(&request.to_string().into()).ok_or_else(ended)?;
        let meta = self.client_meta();
        let request = request.edit().meta(&meta.members()).made();
        let request = Message::of_worker(&request).ok_or_else(ended)?;
        let (number, acknowledged, mut answered) = {
            // The acknowledgement may come before this is released; its reader waits.
            let mut inner = self.listening.inner.lock();
            let (number, answered) = worker.open_listen(&request).ok_or_else(ended)?;
            let (tell, acknowledged) = oneshot::channel();
            inner.awaited = Some((Listen { worker: worker.label.clone(), number }, tell));
            (number, acknowledged, answered)
        };
        let acknowledged = tokio::select! {
            biased;
            acknowledged = acknowledged => acknowledged.map_err(|_| ended())?,
            answer = &mut answered => {
                let code = answer.ok().and_then(Result::ok).and_then(|answer| answer.payload_member("code"));
                let code = code.and_then(|raw| serde_json::from_slice(&raw).ok());
                let text = "the worker does not let the broker listen";
                return Err(code.map_or_else(ended, |code| Refusal::in_band(code, "listen_refused", text)));
            }
            () = sleep(self.config.start_timeout) => {
                worker.close_listen(number);
                return Err(Refusal::in_band(GONE, "worker_mute", "the worker did not acknowledge a subscription"));
            }
        };
        if let Some(old) = acknowledged.replaced.filter(|old| old.worker == worker.label) {
            worker.close_listen(old.number);
        }
        Ok(acknowledged.uris)
    }

    /// A notification on the session's own listen.
    pub(super) fn take_listened(&self, worker: &Arc<Worker>, number: u64, message: &Message) {
        let of = Listen { worker: worker.label.clone(), number };
        {
            let mut inner = self.listening.inner.lock();
            if message.method() == ACKNOWLEDGED {
                if inner.awaited.as_ref().is_some_and(|(listen, _)| *listen == of)
                    && let Some((listen, tell)) = inner.awaited.take()
                {
                    let uris = message.in_params(&["notifications", "resourceSubscriptions"]);
                    let uris = uris.and_then(|(_, raw)| serde_json::from_slice(&raw).ok()).unwrap_or_default();
                    let replaced = inner.current.replace(listen);
                    let _ = tell.send(Acknowledged { uris, replaced });
                }
                return;
            }
            if inner.current.as_ref() != Some(&of) {
                worker.observer().message_dropped(DroppedMessage::NoStream);
                return;
            }
        }
        let line = message.edit().without_meta(meta::SUBSCRIPTION).made();
        if self.put(worker, false, Weight::Notification, line).pushed == Pushed::Dropped {
            worker.observer().message_dropped(DroppedMessage::SlowClient);
        }
    }
}

/// The number of the listen that a notification belongs to.
pub(crate) fn subscription_number(message: &Message) -> Option<u64> {
    let (_, raw) = message.in_params(&["_meta", meta::SUBSCRIPTION])?;
    std::str::from_utf8(&raw).ok()?.parse().ok()
}

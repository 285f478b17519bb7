//! The `subscriptions/listen` requests of a grant's clients, each passed through to the worker under a number of the broker's.
//!
//! A listen outlives the worker: an idle worker is stopped while its listens stay open, and the next one is given them again,
//! without a second acknowledgement. Lists may have changed meanwhile; what differs from what was last seen is told.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::oneshot;

use super::Native;
use crate::envelope::{Message, RawId};
use crate::era::modern::request::Method;
use crate::event_log::{EventLog, Pushed, Weight};
use crate::meta;
use crate::observer::DroppedMessage;
use crate::refusal::Refusal;
use crate::session::ACKNOWLEDGED;
use crate::session_id::sha256;
use crate::worker::{LISTEN_ENDED, Worker};

/// The lists that can change: the method that reads one, the member that holds it, and what tells of a change.
const LISTS: [(Method, &str, &str); 3] = [
    (Method::ToolsList, "tools", "notifications/tools/list_changed"),
    (Method::PromptsList, "prompts", "notifications/prompts/list_changed"),
    (Method::ResourcesList, "resources", "notifications/resources/list_changed"),
];

#[derive(Default)]
pub(super) struct Listens(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    last: u64,
    open: HashMap<u64, Listen>,
    /// SHA-256 of the first page of each of [`LISTS`], as a client has last seen it.
    seen: [Option<[u8; 32]>; 3],
}

struct Listen {
    /// The client's id of the request, which is the subscription's too.
    id: RawId,
    request: Message,
    log: Arc<EventLog>,
    wanted: Wanted,
    /// The worker that has it, and under which number.
    on: Option<(Arc<str>, u64)>,
    acknowledged: bool,
}

/// What the client wants to hear of.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Wanted {
    tools_list_changed: bool,
    prompts_list_changed: bool,
    resources_list_changed: bool,
    resource_subscriptions: Vec<Value>,
}

/// Keeps a listen open; the client has left when it is dropped.
pub(super) struct Hold {
    native: Arc<Native>,
    key: u64,
}

// === impl Native ===

impl Native {
    /// Opens a listen. The worker is started if need be.
    pub(super) fn open_listen(self: &Arc<Self>, id: RawId, request: Message, log: &Arc<EventLog>) -> Hold {
        let wanted = request.param("notifications").and_then(|(_, raw)| serde_json::from_slice(&raw).ok());
        let key = {
            let mut inner = self.listens.0.lock();
            inner.last += 1;
            let key = inner.last;
            let (log, wanted) = (log.clone(), wanted.unwrap_or_default());
            inner.open.insert(key, Listen { id, request, log, wanted, on: None, acknowledged: false });
            key
        };
        self.bring_to_worker(key);
        Hold { native: self.clone(), key }
    }

    fn bring_to_worker(self: &Arc<Self>, key: u64) {
        let native = self.clone();
        tokio::spawn(async move {
            match native.seat.worker().await {
                Ok(worker) => native.attach(key, &worker),
                Err(failure) => native.listens.refuse(key, &failure.refusal()),
            }
        });
    }

    /// A fresh worker is given all listens.
    pub(super) fn listen_again(self: &Arc<Self>, worker: &Arc<Worker>) {
        let keys: Vec<u64> = self.listens.0.lock().open.keys().copied().collect();
        for key in keys {
            self.attach(key, worker);
        }
    }

    fn attach(self: &Arc<Self>, key: u64, worker: &Arc<Worker>) {
        let answered = {
            // The acknowledgement may come before this is released; its reader waits.
            let mut inner = self.listens.0.lock();
            let Some(listen) = inner.open.get_mut(&key) else { return };
            if listen.on.as_ref().is_some_and(|(label, _)| *label == worker.label) {
                return;
            }
            match worker.open_listen(&listen.request) {
                Some((number, answered)) => {
                    listen.on = Some((worker.label.clone(), number));
                    answered
                }
                // The next worker gets it.
                None if worker.has_ended() => return,
                None => {
                    drop(inner);
                    let text = "the worker does not take requests fast enough; try again";
                    return self.listens.refuse(key, &Refusal::unavailable("worker_queue", 1, text));
                }
            }
        };
        let (native, label) = (self.clone(), worker.label.clone());
        tokio::spawn(async move { native.await_end(key, &label, answered).await });
    }

    async fn await_end(self: &Arc<Self>, key: u64, label: &str, answered: oneshot::Receiver<Result<Message, Refusal>>) {
        match answered.await {
            Ok(Ok(response)) => self.listens.finish(key, |id| restored_response(&response, id)),
            Ok(Err(refusal)) if refusal.label == LISTEN_ENDED => self.listens.finish(key, end_of_listen),
            // The worker has ended.
            _ => {
                let urgent = {
                    let mut inner = self.listens.0.lock();
                    let Some(listen) = inner.open.get_mut(&key) else { return };
                    if listen.on.as_ref().is_some_and(|(on, _)| **on != *label) {
                        return;
                    }
                    listen.on = None;
                    !listen.acknowledged || !listen.wanted.resource_subscriptions.is_empty()
                };
                // What nobody but a live worker can tell, or what the client still waits for.
                if urgent {
                    self.bring_to_worker(key);
                }
            }
        }
    }

    /// After a revival: tells of the lists that are not what their readers have seen.
    pub(super) async fn compare_lists(&self, worker: &Worker) {
        let params = meta::params_of_the_broker(&Value::Null);
        for (index, (method, member, changed)) in LISTS.into_iter().enumerate() {
            let seen = {
                let inner = self.listens.0.lock();
                let wanted = inner.open.values().any(|listen| listen.wanted.list(index));
                inner.seen[index].filter(|_| wanted)
            };
            let Some(seen) = seen else { continue };
            let listed = worker.ask(method.name(), Some(params.as_bytes()), self.shop.config.now().call_deadline).await;
            let now = listed.ok().and_then(|answer| answer.result().and(answer.payload_member(member)));
            let Some(now) = now.map(|list| sha256(&list)).filter(|now| *now != seen) else { continue };
            let mut inner = self.listens.0.lock();
            inner.seen[index] = Some(now);
            let interested = inner.open.values().filter(|listen| listen.acknowledged && listen.wanted.list(index));
            for listen in interested {
                listen.log.push(Weight::Notification, notification(changed, &listen.id));
            }
        }
    }
}

// === impl Listens ===

impl Listens {
    /// A notification of a listen.
    pub(super) fn take(&self, worker: &Worker, number: u64, message: &Message) {
        let mut inner = self.0.lock();
        let is_it = |listen: &&mut Listen| {
            listen.on.as_ref().is_some_and(|(label, on)| *on == number && *label == worker.label)
        };
        let acknowledges = message.method() == ACKNOWLEDGED;
        let pushed = match inner.open.values_mut().find(is_it) {
            // The client has had one, from a worker before this one.
            Some(listen) if acknowledges && listen.acknowledged => return,
            Some(listen) if acknowledges || listen.acknowledged => {
                listen.acknowledged = true;
                let range = message.in_params(&["_meta", meta::SUBSCRIPTION]).map(|(range, _)| range);
                let line =
                    range.map(|range| message.edit().replace(range, listen.id.as_bytes()).made()).unwrap_or_default();
                let weight = if acknowledges { Weight::Needed } else { Weight::Notification };
                listen.log.push(weight, line)
            }
            _ => Pushed::Closed,
        };
        drop(inner);
        match pushed {
            Pushed::Kept(_) => {}
            Pushed::Dropped => worker.observer().message_dropped(DroppedMessage::SlowClient),
            Pushed::Closed => worker.observer().message_dropped(DroppedMessage::NoStream),
        }
    }

    /// All lists have changed, in a way of which the worker knows nothing.
    pub(super) fn have_changed(&self) {
        let mut inner = self.0.lock();
        inner.seen = [None; 3];
        for listen in inner.open.values().filter(|listen| listen.acknowledged) {
            for (index, (.., changed)) in LISTS.into_iter().enumerate() {
                if listen.wanted.list(index) {
                    listen.log.push(Weight::Notification, notification(changed, &listen.id));
                }
            }
        }
    }

    /// Whether somebody wants to hear of changes that only a live worker notices.
    pub(super) fn want_resources(&self) -> bool {
        self.0.lock().open.values().any(|listen| !listen.wanted.resource_subscriptions.is_empty())
    }

    /// A client has been given the first page of a list.
    pub(super) fn saw(&self, method: Method, answer: &Message) {
        if let Some(index) = LISTS.iter().position(|(of, ..)| *of == method) {
            let list = answer.payload_member(LISTS[index].1);
            self.0.lock().seen[index] = list.map(|list| sha256(&list));
        }
    }

    fn finish(&self, key: u64, last: impl FnOnce(&RawId) -> Bytes) {
        let listen = self.0.lock().open.remove(&key);
        if let Some(listen) = listen {
            listen.log.push(Weight::Needed, last(&listen.id));
            listen.log.close();
        }
    }

    fn refuse(&self, key: u64, refusal: &Refusal) {
        self.finish(key, |id| refusal.body(Some(id.as_bytes())));
    }

    /// All of them end with an error.
    pub(super) fn end(&self, refusal: &Refusal) {
        for key in self.keys() {
            self.refuse(key, refusal);
        }
    }

    /// All of them end in good order (L05).
    pub(super) fn close(&self) {
        for key in self.keys() {
            self.finish(key, end_of_listen);
        }
    }

    fn keys(&self) -> Vec<u64> {
        self.0.lock().open.keys().copied().collect()
    }
}

fn restored_response(response: &Message, id: &RawId) -> Bytes {
    let edit = response.edit().id(id.as_bytes(), None);
    match response.in_payload(&["_meta", meta::SUBSCRIPTION]) {
        Some((range, _)) => edit.replace(range, id.as_bytes()).made(),
        None => edit.made(),
    }
}

/// The response that the worker owes.
fn end_of_listen(id: &RawId) -> Bytes {
    let (id, key) = (id.as_bytes(), meta::SUBSCRIPTION.as_bytes());
    let tag: &[&[u8]] = &[br#"{"resultType":"complete","_meta":{""#, key, b"\":", id, b"}}"];
    [&br#"{"jsonrpc":"2.0","id":"#[..], id, br#","result":"#, &tag.concat(), b"}"].concat().into()
}

fn notification(method: &str, id: &RawId) -> Bytes {
    let (method, key) = (method.as_bytes(), meta::SUBSCRIPTION.as_bytes());
    let head = [&br#"{"jsonrpc":"2.0","method":""#[..], method, br#"","params":{"_meta":{""#, key, b"\":"].concat();
    [&head[..], id.as_bytes(), b"}}}"].concat().into()
}

// === impl Wanted ===

impl Wanted {
    /// Whether changes of this one of [`LISTS`] are wanted.
    fn list(&self, index: usize) -> bool {
        [self.tools_list_changed, self.prompts_list_changed, self.resources_list_changed].get(index) == Some(&true)
    }
}

// === impl Hold ===

impl Drop for Hold {
    fn drop(&mut self) {
        let listen = self.native.listens.0.lock().open.remove(&self.key);
        if let Some((label, number)) = listen.and_then(|listen| listen.on)
            && let Some(worker) = self.native.seat.running().filter(|worker| worker.label == label)
        {
            worker.close_listen(number);
        }
    }
}

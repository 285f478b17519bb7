//! What a session does with the messages of its worker that belong to no call.
//!
//! Each goes to exactly one stream (T32). A log message and a question most likely come from the running call, so they go on
//! its POST; a change of a list or resource goes on the server stream. What finds neither waits on the server stream, within
//! its bounds, for the client's next GET.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use tokio::time::Instant;

use super::{Session, State, subscription_number};
use crate::call::{After, Call};
use crate::desk::{Desk, Opening, Replay};
use crate::envelope::{Message, RawId};
use crate::event_log::{EventLog, Pushed, Weight};
use crate::meta;
use crate::observer::DroppedMessage;
use crate::refusal::{METHOD_NOT_FOUND, UNAVAILABLE};
use crate::session_id::sha256;
use crate::speech::{Speech, Tongue};
use crate::worker::{End, Worker};

const TOOLS_CHANGED: &[u8] = br#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;

/// Where a message has been put.
pub(super) struct Put {
    pub(super) pushed: Pushed,
    log: Arc<EventLog>,
    /// Whether the client is reading there.
    heard: bool,
}

// === impl Session ===

impl Desk for Session {
    fn notified(&self, worker: &Arc<Worker>, message: Message) {
        if worker.tongue == Tongue::Stateless
            && let Some(number) = subscription_number(&message)
        {
            self.take_listened(worker, number, &message);
            return;
        }
        let with_call = message.method() == "notifications/message";
        // A copy: what waits here must not keep the whole buffer that it was read into.
        let line = Bytes::copy_from_slice(message.bytes());
        let put = self.put(worker, with_call, Weight::Notification, line);
        if put.pushed == Pushed::Dropped {
            worker.observer().message_dropped(DroppedMessage::SlowClient);
        }
    }

    fn asked(&self, worker: &Arc<Worker>, message: Message, id: RawId) {
        if worker.tongue == Tongue::Stateless {
            worker.refuse_question(
                &id,
                METHOD_NOT_FOUND,
                "a server of 2026-07-28 asks nothing; answer with inputRequests",
            );
            return;
        }
        let heard = worker.newest_attended().is_some() || self.server_stream.is_attached();
        // Nobody has to think about his roots; a person may have to about anything else.
        let quick = !heard || message.method() == "roots/list";
        let patience = if quick { self.config.question_timeout } else { self.config.now().call_deadline };
        let Some(number) = worker.register_question(&id, Instant::now() + patience) else {
            worker.refuse_question(&id, UNAVAILABLE, "too many requests to the client are open");
            return;
        };
        let line = message.with_id(number.to_string().as_bytes(), None);
        let put = self.put(worker, true, Weight::Needed, line);
        if let Pushed::Kept(event) = put.pushed
            && !put.heard
        {
            worker.questions().lock().placed(number, put.log, event);
        }
    }

    fn question_withdrawn(&self, worker: &Arc<Worker>, message: Message) {
        self.put(worker, true, Weight::Notification, Bytes::copy_from_slice(message.bytes()));
    }

    fn answered(&self, after: &After, result: &Message) {
        let mut state = self.state.lock();
        let State { record, tools, .. } = &mut *state;
        match after {
            After::Nothing => return,
            After::ToolsListed => {
                *tools = result.payload().map(|list| sha256(&list));
                return;
            }
            After::LevelSet(level) => record.log_level = Some(level.clone()),
            After::Subscribed(uri) if record.subscriptions.contains(uri) => return,
            After::Subscribed(uri) => record.subscriptions.push(uri.clone()),
            After::Unsubscribed(uri) => record.subscriptions.retain(|present| present != uri),
        }
        self.ledger.mark(record.clone());
    }

    fn listed(&self, digest: [u8; 32]) {
        self.state.lock().tools = Some(digest);
    }

    fn tongue(&self, speech: &Speech) -> Option<Tongue> {
        Some(speech.for_legacy())
    }

    fn greeting(&self, answer: Message, tongue: Tongue) -> Message {
        match tongue {
            Tongue::Handshake => answer,
            Tongue::Stateless => self.greeting_from(answer),
        }
    }

    fn converted(&self, _: &Arc<Worker>, call: Box<Call>, answer: Message) -> Option<(Box<Call>, Bytes)> {
        if Self::asks_for_input(&call, &answer) {
            self.begin_round(call, &answer);
            return None;
        }
        let line = answer.with_id(call.id.as_bytes(), None);
        Some((call, line))
    }

    fn opening(&self) -> Opening {
        let state = self.state.lock();
        let record = &state.record;
        // Without a version nothing has been negotiated yet: the client itself is initializing.
        let replay = (!record.protocol_version.is_empty()).then(|| Replay {
            initialized: record.initialized,
            log_level: record.log_level.clone(),
            subscriptions: record.subscriptions.clone(),
        });
        Opening { initialize: record.initialize.clone(), replay }
    }

    fn opened(&self, worker: &Arc<Worker>, again: bool) {
        let (initialized, tools) = {
            let state = self.state.lock();
            (state.record.initialized, state.tools)
        };
        if initialized {
            worker.note_initialized();
            if worker.tongue == Tongue::Stateless {
                self.begin_listening();
            }
        }
        if !again {
            return;
        }
        worker.observer().session_revived();
        if let Some(seen) = tools {
            let (worker, server_stream, within) =
                (worker.clone(), self.server_stream.clone(), self.config.now().call_deadline);
            tokio::spawn(async move {
                let params = match worker.tongue {
                    Tongue::Handshake => None,
                    Tongue::Stateless => Some(meta::params_of_the_broker(&Value::Null)),
                };
                let listed = worker.ask("tools/list", params.as_deref().map(str::as_bytes), within).await;
                let tools = listed.ok().and_then(|answer| answer.result()).map(|list| sha256(&list));
                if tools.is_some_and(|tools| tools != seen) {
                    server_stream.push(Weight::Notification, Bytes::from_static(TOOLS_CHANGED));
                }
            });
        }
    }

    fn is_of_session(&self) -> bool {
        true
    }

    fn needs_worker(&self) -> bool {
        self.has_live_subscriptions()
    }

    fn ended(&self, worker: &Arc<Worker>, end: &End, unsent: Vec<Call>) {
        self.seat.vacated(worker, end, unsent);
    }
}

impl Session {
    /// What the lists hold has changed without the worker's doing. The client is told of those whose changes it was promised.
    pub(crate) fn lists_changed(&self) {
        let worker = self.seat.running();
        let capabilities = worker.and_then(|worker| worker.greeting()?.payload_member("capabilities"));
        let capabilities = capabilities.map(|raw| serde_json::from_slice::<Value>(&raw).unwrap_or_default());
        // Without a worker only this is known: whoever has read the tools wants to hear of them.
        let tools = self.state.lock().tools.is_some();
        for list in ["tools", "prompts", "resources"] {
            let told = capabilities.as_ref().map_or(tools && list == "tools", |of| of[list]["listChanged"] == true);
            if told {
                let line = format!(r#"{{"jsonrpc":"2.0","method":"notifications/{list}/list_changed"}}"#);
                self.server_stream.push(Weight::Notification, line.into());
            }
        }
    }

    pub(super) fn put(&self, worker: &Worker, with_call: bool, weight: Weight, data: Bytes) -> Put {
        let server_stream = || self.server_stream.is_attached();
        if (with_call || !server_stream())
            && let Some(exchange) = worker.newest_attended()
        {
            let pushed = exchange.push(weight, data.clone());
            // The call may have been answered this moment.
            if pushed != Pushed::Closed {
                return Put { pushed, log: exchange.log().clone(), heard: true };
            }
        }
        let heard = server_stream();
        Put { pushed: self.server_stream.push(weight, data), log: self.server_stream.clone(), heard }
    }
}

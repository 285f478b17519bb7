//! Up to 2025-11-25: requests from the server to the client.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::{Interruption, Question};
use crate::capabilities::Capabilities;
use crate::message::{self, Id};
use crate::outbox::Outbox;

type Outcome = Result<Value, Value>;

/// Our questions that the client has not answered yet. Their ids count from 0, as those of TypeScript servers do.
#[derive(Default)]
pub(crate) struct Asks(Mutex<Open>);

#[derive(Default)]
struct Open {
    asked: u64,
    waiting: HashMap<Id, oneshot::Sender<Outcome>>,
    closed: bool,
}

/// Asks by requests and waits.
pub(crate) struct Live {
    capabilities: Capabilities,
    asks: Arc<Asks>,
    outbox: Outbox,
}

/// One open question. Given up before its answer, it is withdrawn from the client.
struct Asked {
    id: Id,
    answer: oneshot::Receiver<Outcome>,
    asks: Arc<Asks>,
    outbox: Outbox,
}

// === impl Asks ===

impl Asks {
    /// The client has answered; an answer to nothing is ignored.
    pub(crate) fn answered(&self, id: &Id, outcome: Outcome) {
        let waiting = self.0.lock().waiting.remove(id);
        if let Some(waiting) = waiting {
            // A tool that no longer waits needs no answer.
            let _ = waiting.send(outcome);
        }
    }

    /// Nothing more will be answered.
    pub(crate) fn close(&self) {
        let mut open = self.0.lock();
        open.closed = true;
        open.waiting.clear();
    }

    fn open(self: &Arc<Self>, outbox: &Outbox) -> Asked {
        let (sender, answer) = oneshot::channel();
        let mut open = self.0.lock();
        let id = Id::number(open.asked);
        open.asked += 1;
        if !open.closed {
            open.waiting.insert(id.clone(), sender);
        }
        drop(open);
        Asked { id, answer, asks: Arc::clone(self), outbox: outbox.clone() }
    }
}

// === impl Live ===

impl Live {
    pub(crate) fn new(capabilities: Capabilities, asks: Arc<Asks>, outbox: Outbox) -> Self {
        Self { capabilities, asks, outbox }
    }

    pub(super) fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// All questions are open at the same time.
    pub(super) async fn ask(&self, questions: Vec<Question>) -> Result<Vec<Value>, Interruption> {
        if let Some(question) = questions.iter().find(|question| !self.capabilities.declare(question.kind)) {
            let name = question.kind.capability();
            return Err(Interruption::Unanswered(format!("The client has not declared the capability `{name}`")));
        }
        let mut open = Vec::with_capacity(questions.len());
        for question in questions {
            let asked = self.asks.open(&self.outbox);
            self.outbox.send(message::request(&asked.id, question.kind.method(), &question.params)).await;
            open.push((question, asked));
        }
        let mut answers = Vec::with_capacity(open.len());
        for (question, mut asked) in open {
            let method = question.kind.method();
            let answer = match (&mut asked.answer).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(error)) => {
                    return Err(Interruption::Unanswered(format!(
                        "The client answered {method} with an error: {error}"
                    )));
                }
                Err(_) => return Err(Interruption::Unanswered(format!("{method} will not be answered any more"))),
            };
            if !question.kind.accepts(&answer) {
                return Err(Interruption::Unanswered(format!(
                    "The client's answer to {method} is malformed: {answer}"
                )));
            }
            answers.push(answer);
        }
        Ok(answers)
    }
}

// === impl Asked ===

impl Drop for Asked {
    fn drop(&mut self) {
        if self.asks.0.lock().waiting.remove(&self.id).is_some() {
            let params = json!({ "requestId": self.id.as_value(), "reason": "no longer needed" });
            self.outbox.send_if_room(message::notification("notifications/cancelled", &params));
        }
    }
}

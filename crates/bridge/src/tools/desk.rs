//! Where requests and answers that concern tools pass by.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use tokio::time::Instant;

use super::known::{KnownList, KnownLists};
use super::rules::{Hidden, Hint, Tool};
use super::watch::{Watch, Watched};
use super::{CallOutcome, ToolCall, ToolPolicy, ToolRules, Tools, list};
use crate::envelope::{Kind, Message, RawId};
use crate::refusal::{INVALID_PARAMS, Refusal, UNAVAILABLE};
use crate::reply::Principal;

/// Tools whose hints are remembered.
const REMEMBERED: usize = 4096;

/// Rules, policy, and what the program's lists have said.
pub(crate) struct ToolDesk {
    rules: RwLock<Arc<ToolRules>>,
    policy: Arc<dyn ToolPolicy>,
    /// The `readOnlyHint` of each tool, as the last list had it. What was installed since is found out with its first list.
    hints: Mutex<HashMap<Box<str>, Option<bool>>>,
    lists: KnownLists,
}

// === impl ToolDesk ===

impl ToolDesk {
    pub(crate) fn new(Tools { rules, policy }: Tools) -> Arc<Self> {
        Arc::new(Self {
            rules: RwLock::new(Arc::new(rules)),
            policy,
            hints: Mutex::default(),
            lists: KnownLists::default(),
        })
    }

    /// Other rules from now on. What the program has said of its tools stays known.
    pub(crate) fn replace_rules(&self, rules: ToolRules) {
        *self.rules.write() = Arc::new(rules);
    }

    fn rules(&self) -> Arc<ToolRules> {
        Arc::clone(&self.rules.read())
    }

    /// Judges a client's request. `Ok` with what has to be done with its answer; an error for a call that does not go to a worker.
    pub(crate) fn judge(self: &Arc<Self>, who: &Principal, message: &Message) -> Result<Option<Watch>, Refusal> {
        let watch = |what| Some(Watch { desk: self.clone(), who: who.clone(), what, begun: Instant::now() });
        match message.method() {
            "tools/list" => Ok(watch(Watched::List)),
            "tools/call" => {
                // A call without a readable name is the worker's to refuse.
                let Some(name) = message.name() else { return Ok(None) };
                self.admit(who, &name)?;
                Ok(watch(Watched::Call(name.into())))
            }
            _ => Ok(None),
        }
    }

    /// Whether something may be sent to a worker that is no request: a call that wants no answer is refused by silence.
    pub(crate) fn lets_pass(message: &Message) -> bool {
        message.kind() != Kind::Notification || message.method() != "tools/call"
    }

    fn admit(&self, who: &Principal, name: &str) -> Result<(), Refusal> {
        let (may_write, rules) = (self.policy.may_write(who), self.rules());
        if may_write && rules.hide_nothing() {
            return Ok(());
        }
        let hint = match self.hints.lock().get(name) {
            None => Hint::Unseen,
            Some(None) => Hint::None,
            Some(Some(hint)) => Hint::ReadOnly(*hint),
        };
        let Err(hidden) = rules.judge(Tool { name, hint }, may_write) else { return Ok(()) };
        let (outcome, refusal) = match hidden {
            Hidden::ByOperator => {
                (CallOutcome::SwitchedOff, switched_off(name, "the operator of this server has switched it off"))
            }
            Hidden::ByDoor(group) => {
                let why = format!("it belongs to the group {group:?}, which the operator of this server keeps closed");
                (CallOutcome::SwitchedOff, switched_off(name, &why))
            }
            Hidden::Writes => (CallOutcome::MayNotWrite, Refusal::may_not_write(name)),
        };
        self.policy.called(&ToolCall { who, tool: name, outcome, took: Duration::ZERO });
        Err(refusal)
    }

    /// A list as this caller may see it now.
    pub(super) fn shown(&self, who: &Principal, line: Bytes) -> Bytes {
        self.filtered(line, self.policy.may_write(who), &self.rules())
    }

    /// The list in an answer to the first page of `tools/list`, to be known again.
    pub(crate) fn know(&self, answer: &Message) -> Option<Arc<KnownList>> {
        self.lists.know(answer)
    }

    /// A list that is known, as this caller may see it now.
    pub(super) fn known(&self, who: &Principal, id: &RawId, list: &KnownList) -> Bytes {
        let (may_write, rules) = (self.policy.may_write(who), self.rules());
        list.seen(id, may_write, &rules, |whole| self.filtered(whole, may_write, &rules))
    }

    fn filtered(&self, line: Bytes, may_write: bool, rules: &ToolRules) -> Bytes {
        if may_write && rules.hide_nothing() && !rules.trust_annotations {
            return line;
        }
        let mut hints = self.hints.lock();
        list::filtered(line, |name, hint| {
            if hints.len() < REMEMBERED || hints.contains_key(name) {
                hints.insert(name.into(), if let Hint::ReadOnly(hint) = hint { Some(hint) } else { None });
            }
            rules.judge(Tool { name, hint }, may_write).is_ok()
        })
    }

    pub(super) fn called(&self, who: &Principal, tool: &str, outcome: CallOutcome, begun: Instant) {
        self.policy.called(&ToolCall { who, tool, outcome, took: begun.elapsed() });
    }
}

fn switched_off(name: &str, why: &str) -> Refusal {
    Refusal::in_band(INVALID_PARAMS, "tool_switched_off", format!("the tool {name:?} is not available: {why}"))
}

// === impl Refusal ===

impl Refusal {
    /// 403: the caller may only read. Where it is one of several calls, an error like others.
    fn may_not_write(tool: &str) -> Self {
        let text = format!(
            "this connection is read-only, and the tool {tool:?} writes; connect again and choose write access"
        );
        Self::new(403, UNAVAILABLE, Self::MAY_NOT_WRITE, text)
    }

    /// The label of that refusal.
    pub(crate) const MAY_NOT_WRITE: &'static str = "may_not_write";
}

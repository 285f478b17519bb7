//! The list of tools that was read last, so that it is read once however often, and by however many, it is asked for.
//!
//! It is the longest thing that most workers ever say, and all workers of a program say the same. A line that is the same as one before but for
//! its id needs no second look: what it holds, what of it each caller may see and what it looks like to somebody who may see less is known.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::ToolRules;
use crate::envelope::{Message, RawId};
use crate::session_id::sha256;

/// How an answer begins that is worth remembering: as mcp-go, rmcp and the Python SDK write it.
const HEAD: &[u8] = br#"{"jsonrpc":"2.0","id":"#;
/// Shorter lists are read again, which costs next to nothing, in bytes.
const LONG: usize = 2048;
/// Longer ones are not kept in memory, in bytes.
const TOO_LONG: usize = 1 << 20;
/// Kinds of callers for whom it is remembered what they see.
const VIEWS: usize = 4;

/// One list, whole and valid, as a worker printed it.
pub(crate) struct KnownList {
    /// What follows the id.
    rest: Bytes,
    digest: [u8; 32],
    views: Mutex<Vec<View>>,
}

/// What callers see of it who may do the same under the same rules.
struct View {
    may_write: bool,
    rules: Arc<ToolRules>,
    /// What follows the id; `None` if they see everything.
    rest: Option<Bytes>,
}

/// The newest list.
#[derive(Default)]
pub(super) struct KnownLists(Mutex<Option<Arc<KnownList>>>);

// === impl KnownLists ===

impl KnownLists {
    /// The list in this answer. `None` if it is not worth remembering.
    pub(super) fn know(&self, answer: &Message) -> Option<Arc<KnownList>> {
        let line = answer.bytes();
        if line.len() < LONG || line.len() > TOO_LONG {
            return None;
        }
        let (_, at) = number_in(line)?;
        let mut newest = self.0.lock();
        if let Some(known) = newest.as_ref().filter(|known| known.rest == line[at..]) {
            return Some(known.clone());
        }
        let digest = sha256(&answer.result()?);
        let known = KnownList { rest: Bytes::copy_from_slice(&line[at..]), digest, views: Mutex::default() };
        Some(newest.insert(Arc::new(known)).clone())
    }
}

// === impl KnownList ===

impl KnownList {
    /// The number of the request that this line answers, if it is this list.
    pub(crate) fn number_of(&self, line: &[u8]) -> Option<u64> {
        // Most lines of a worker are much shorter than its list.
        if line.len() <= self.rest.len() {
            return None;
        }
        let (digits, at) = number_in(line)?;
        if line[at..] != self.rest {
            return None;
        }
        std::str::from_utf8(&line[digits]).ok()?.parse().ok()
    }

    /// SHA-256 of the result.
    pub(crate) fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// The answer under this id, whole.
    pub(crate) fn whole(&self, id: &RawId) -> Bytes {
        joined(id, &self.rest)
    }

    /// The answer under this id as somebody sees it; `filter` makes that of the whole one.
    pub(super) fn seen(
        &self,
        id: &RawId,
        may_write: bool,
        rules: &Arc<ToolRules>,
        filter: impl FnOnce(Bytes) -> Bytes,
    ) -> Bytes {
        let mut views = self.views.lock();
        let known = views.iter().find(|view| view.may_write == may_write && Arc::ptr_eq(&view.rules, rules));
        if let Some(view) = known {
            return joined(id, view.rest.as_ref().unwrap_or(&self.rest));
        }
        let whole = joined(id, &self.rest);
        let filtered = filter(whole.clone());
        let rest = (filtered != whole).then(|| filtered.slice(HEAD.len() + id.as_bytes().len()..));
        if views.len() == VIEWS {
            views.remove(0);
        }
        views.push(View { may_write, rules: rules.clone(), rest: rest.map(|rest| Bytes::copy_from_slice(&rest)) });
        filtered
    }
}

/// Where the number stands that a line answers, and where the rest begins.
fn number_in(line: &[u8]) -> Option<(Range<usize>, usize)> {
    let rest = line.strip_prefix(HEAD)?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let at = HEAD.len() + digits;
    // Another digit, or a point, would have made another number of it.
    (digits > 0 && line.get(at) == Some(&b',')).then_some((HEAD.len()..at, at))
}

fn joined(id: &RawId, rest: &[u8]) -> Bytes {
    [HEAD, id.as_bytes(), rest].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(id: &str, tool: &str) -> Bytes {
        let about = "x".repeat(LONG);
        format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"tools":[{{"name":"{tool}","description":"{about}"}}]}}}}"#)
            .into()
    }

    fn message(line: &Bytes) -> Message {
        Message::of_worker(line).expect("a message")
    }

    #[test]
    fn a_list_is_known_again_under_any_number_and_nothing_else_is() {
        let lists = KnownLists::default();
        let known = lists.know(&message(&list("7", "a"))).expect("long enough");
        assert_eq!(known.number_of(&list("7", "a")), Some(7));
        assert_eq!(known.number_of(&list("18446744073709551615", "a")), Some(u64::MAX));
        for other in
            [list("8", "b"), list("1.5", "a"), list("-1", "a"), list("\"7\"", "a"), list("18446744073709551616", "a")]
        {
            assert_eq!(known.number_of(&other), None, "{other:?}");
        }
        let longer = [&list("7", "a")[..], b" "].concat();
        assert_eq!(known.number_of(&longer), None);
    }

    #[test]
    fn the_same_list_is_kept_once_and_another_takes_its_place() {
        let lists = KnownLists::default();
        let first = lists.know(&message(&list("1", "a"))).expect("long enough");
        assert!(Arc::ptr_eq(&first, &lists.know(&message(&list("22", "a"))).expect("known")));
        let second = lists.know(&message(&list("3", "b"))).expect("long enough");
        assert_ne!(first.digest(), second.digest());
        let other_form =
            Bytes::from(format!(r#"{{"result":{{"tools":[]}},"id":1,"jsonrpc":"2.0","x":"{}"}}"#, "y".repeat(LONG)));
        assert!(lists.know(&message(&other_form)).is_none(), "its id is elsewhere");
        let error =
            Bytes::from(format!(r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":1,"message":"{}"}}}}"#, "y".repeat(LONG)));
        assert!(lists.know(&message(&error)).is_none(), "no list at all");
    }

    #[test]
    fn what_somebody_sees_is_worked_out_once_for_each_kind_of_caller() {
        let lists = KnownLists::default();
        let known = lists.know(&message(&list("1", "a"))).expect("long enough");
        let rules = Arc::new(ToolRules::default());
        let id = |raw: &str| RawId::read(raw).expect("an id");
        let mut times = 0;
        for raw in ["5", "\"six\"", "-7"] {
            let seen = known.seen(&id(raw), false, &rules, |_| {
                times += 1;
                format!(r#"{{"jsonrpc":"2.0","id":{raw},"result":{{"tools":[]}}}}"#).into()
            });
            assert_eq!(seen, format!(r#"{{"jsonrpc":"2.0","id":{raw},"result":{{"tools":[]}}}}"#));
        }
        assert_eq!(times, 1);
        let all = known.seen(&id("5"), true, &rules, |whole| whole);
        assert_eq!(all, list("5", "a"), "another kind of caller");
        assert_eq!(known.whole(&id("\"x\"")), list("\"x\"", "a"));
        let others = Arc::new(ToolRules::default());
        let seen = known.seen(&id("5"), false, &others, |whole| whole);
        assert_eq!(seen, list("5", "a"), "other rules");
    }
}

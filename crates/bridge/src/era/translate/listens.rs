//! The open `subscriptions/listen` streams of a grant: who is told what.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Kind;
use crate::envelope::{Message, Object, RawId, first_member, splice};
use crate::era::modern::SUBSCRIPTION_ID;
use crate::era::modern::offer::Offer;
use crate::event_log::{EventLog, Weight};
use crate::refusal::Refusal;

#[derive(Default)]
pub(crate) struct Listens(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    last: u64,
    open: BTreeMap<u64, Listen>,
}

struct Listen {
    /// Of the listen request; in every message (L03).
    id: RawId,
    log: Arc<EventLog>,
    filter: Filter,
}

/// What a listen is told of (L01).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Filter {
    tools_list_changed: bool,
    prompts_list_changed: bool,
    resources_list_changed: bool,
    resource_subscriptions: BTreeSet<String>,
}

// === impl Listens ===

impl Listens {
    /// Opens one and acknowledges it (L02).
    pub(crate) fn open(&self, id: &RawId, filter: Filter, log: &Arc<EventLog>) -> u64 {
        let acknowledged = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{{"notifications":{}}}}}"#,
            filter.as_value()
        );
        let mut inner = self.0.lock();
        log.push(Weight::Needed, tagged(acknowledged.as_bytes(), id));
        inner.last += 1;
        let number = inner.last;
        inner.open.insert(number, Listen { id: id.clone(), log: log.clone(), filter });
        number
    }

    /// The client has left.
    pub(crate) fn close(&self, number: u64) {
        self.0.lock().open.remove(&number);
    }

    /// The URIs that anybody wants to hear of.
    pub(crate) fn uris(&self) -> BTreeSet<String> {
        self.0.lock().open.values().flat_map(|listen| listen.filter.resource_subscriptions.iter().cloned()).collect()
    }

    pub(crate) fn want(&self, kind: Kind) -> bool {
        self.0.lock().open.values().any(|listen| listen.filter.wants(kind))
    }

    /// A list has changed: everybody who wants to know is told (trap 13). Whether there was anybody.
    pub(crate) fn changed(&self, kind: Kind, message: &Message) -> bool {
        self.tell(message, |listen| listen.filter.wants(kind))
    }

    /// The same in the broker's own words.
    pub(crate) fn have_changed(&self, kind: Kind) {
        let text = format!(r#"{{"jsonrpc":"2.0","method":"notifications/{}/list_changed"}}"#, kind.name());
        self.tell_bytes(text.as_bytes(), |listen| listen.filter.wants(kind));
    }

    /// A resource has changed. The worker may name one within the one that was subscribed to.
    pub(crate) fn updated(&self, message: &Message) -> bool {
        let uri: Option<String> = message.param("uri").and_then(|(_, raw)| serde_json::from_slice(&raw).ok());
        let Some(uri) = uri else { return false };
        self.tell(message, |listen| listen.filter.resource_subscriptions.contains(&uri))
            || self.tell(message, |listen| {
                listen.filter.resource_subscriptions.iter().any(|subscribed| is_within(&uri, subscribed))
            })
    }

    fn tell(&self, message: &Message, whom: impl Fn(&Listen) -> bool) -> bool {
        self.tell_bytes(message.bytes(), whom)
    }

    fn tell_bytes(&self, message: &[u8], whom: impl Fn(&Listen) -> bool) -> bool {
        let inner = self.0.lock();
        let mut told = false;
        for listen in inner.open.values().filter(|listen| whom(listen)) {
            listen.log.push(Weight::Notification, tagged(message, &listen.id));
            told = true;
        }
        told
    }

    /// Ends all in good order: with the response to the request that opened them (L05).
    pub(crate) fn end(&self) {
        for listen in std::mem::take(&mut self.0.lock().open).into_values() {
            let id = String::from_utf8_lossy(listen.id.as_bytes()).into_owned();
            let response = format!(
                r#"{{"jsonrpc":"2.0","id":{id},"result":{{"resultType":"complete","_meta":{{"{SUBSCRIPTION_ID}":{id}}}}}}}"#
            );
            listen.log.push(Weight::Needed, response.into());
            listen.log.close();
        }
    }

    /// Ends all with an error.
    pub(crate) fn refuse(&self, refusal: &Refusal) {
        for listen in std::mem::take(&mut self.0.lock().open).into_values() {
            listen.log.push(Weight::Needed, refusal.body(Some(listen.id.as_bytes())));
            listen.log.close();
        }
    }
}

// === impl Filter ===

impl Filter {
    /// What is asked for. `None` if it is not of the right shape.
    pub(crate) fn read(raw: &[u8]) -> Option<Self> {
        if raw.starts_with(b"{") { serde_json::from_slice(raw).ok() } else { None }
    }

    pub(crate) fn len(&self) -> usize {
        self.resource_subscriptions.len()
    }

    /// The part that a worker with these capabilities can keep (trap 14).
    pub(crate) fn within(self, offer: &Offer) -> Self {
        let told = |kind: Kind, wanted: bool| wanted && offer.has(&[kind.name(), "listChanged"]);
        let subscribes = offer.has(&["resources", "subscribe"]);
        Self {
            tools_list_changed: told(Kind::Tools, self.tools_list_changed),
            prompts_list_changed: told(Kind::Prompts, self.prompts_list_changed),
            resources_list_changed: told(Kind::Resources, self.resources_list_changed),
            resource_subscriptions: if subscribes { self.resource_subscriptions } else { BTreeSet::new() },
        }
    }

    fn wants(&self, kind: Kind) -> bool {
        match kind {
            Kind::Tools => self.tools_list_changed,
            Kind::Prompts => self.prompts_list_changed,
            Kind::Resources => self.resources_list_changed,
        }
    }

    fn as_value(&self) -> Value {
        let mut members = Map::new();
        for kind in Kind::ALL {
            if self.wants(kind) {
                members.insert(kind.filter().to_owned(), json!(true));
            }
        }
        if !self.resource_subscriptions.is_empty() {
            members.insert("resourceSubscriptions".to_owned(), json!(self.resource_subscriptions));
        }
        Value::Object(members)
    }
}

fn is_within(uri: &str, subscribed: &str) -> bool {
    uri.strip_prefix(subscribed).is_some_and(|rest| subscribed.ends_with('/') || rest.starts_with(['/', '#', '?']))
}

/// A notification with the listen's id in `params._meta`, in the id's own JSON type.
fn tagged(message: &[u8], id: &RawId) -> Bytes {
    let id = String::from_utf8_lossy(id.as_bytes());
    let tag = format!(r#""{SUBSCRIPTION_ID}":{id}"#);
    let edit = (|| {
        let text = std::str::from_utf8(message).ok()?;
        let envelope = Object::read(text)?;
        let Some(place) = envelope.range("params").filter(|range| text[range.clone()].starts_with('{')) else {
            let params = format!(r#""params":{{"_meta":{{{tag}}}}}"#);
            let inside = envelope.inside();
            return Some((inside..inside, first_member(&envelope, &params)));
        };
        let params = Object::read(&text[place.clone()])?;
        let Some(range) = params.range("_meta").filter(|range| text[place.start + range.start..].starts_with('{'))
        else {
            let inside = place.start + params.inside();
            return Some((inside..inside, first_member(&params, &format!(r#""_meta":{{{tag}}}"#))));
        };
        let meta_start = place.start + range.start;
        let meta = Object::read(&text[meta_start..place.start + range.end])?;
        if let Some(present) = meta.range(SUBSCRIPTION_ID) {
            return Some((meta_start + present.start..meta_start + present.end, id.clone().into_owned()));
        }
        let inside = meta_start + meta.inside();
        Some((inside..inside, first_member(&meta, &tag)))
    })();
    match edit {
        Some((range, with)) => splice(message, vec![(range, with.as_bytes())]),
        None => Bytes::copy_from_slice(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l03_every_shape_of_notification_is_tagged_in_the_type_of_the_id() {
        for (id, before, after) in [
            ("1", r#"{"method":"x"}"#, r#"{"params":{"_meta":{"T":1}},"method":"x"}"#),
            (r#""1""#, r#"{"params":{},"method":"x"}"#, r#"{"params":{"_meta":{"T":"1"}},"method":"x"}"#),
            ("1", r#"{"params":{"uri":"a"}}"#, r#"{"params":{"_meta":{"T":1},"uri":"a"}}"#),
            ("1", r#"{"params":{"_meta":{"a":1},"uri":"a"}}"#, r#"{"params":{"_meta":{"T":1,"a":1},"uri":"a"}}"#),
            ("1", r#"{"params":{"_meta":{"T":9}}}"#, r#"{"params":{"_meta":{"T":1}}}"#),
        ] {
            let long = |text: &str| text.replace("\"T\"", &format!("\"{SUBSCRIPTION_ID}\""));
            let made = tagged(long(before).as_bytes(), &RawId::read(id).expect("an id"));
            assert_eq!(String::from_utf8_lossy(&made), long(after));
        }
    }
}

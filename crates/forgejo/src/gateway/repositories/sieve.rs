//! Takes out of Forgejo's JSON what is about repositories that were not chosen.
//!
//! Goes by what values are, not by where they stand: whatever looks like a repository is judged by its id, and with one that was not
//! chosen goes the value that is about it (an issue, a notification, an event that refers to it). So a member that a later Forgejo adds is
//! judged too. Where Forgejo itself answers null, as for a fork's parent that was deleted, only the member goes.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{super::path::RepositoryName, attachments::Uuid, chosen::ChosenRepositories};

/// Members that may be null: the member that holds them (or any), and their own name.
const NULLABLE: &[(Option<&str>, &str)] = &[(None, "parent"), (Some("head"), "repo")];
/// Members that are issues of possibly other repositories.
const OTHER_ISSUES: &[&str] = &["ref_issue", "dependent_issue"];

/// A repository that a value is about.
pub(super) type About = (i64, RepositoryName);

/// What has to be known to judge an answer.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) chosen: &'a ChosenRepositories,
    /// Chosen repositories by name, for what has no ids.
    pub(super) names: &'a BTreeSet<RepositoryName>,
    /// The repository that was asked about.
    pub(super) about: Option<&'a About>,
    /// The repository within which an address of the same Forgejo lies.
    pub(super) repository_at: &'a dyn Fn(&str) -> Option<RepositoryName>,
}

/// Looks through one answer.
pub(super) struct Sieve<'a> {
    known: Known<'a>,
    /// How much was taken out.
    pub(super) dropped: usize,
    /// The attachments that were let through, with their repositories.
    pub(super) attachments: Vec<(Uuid, i64)>,
}

// === impl Sieve ===

impl<'a> Sieve<'a> {
    pub(super) fn new(known: Known<'a>) -> Self {
        Self { known, dropped: 0, attachments: Vec::new() }
    }

    /// Whether anything may be left of an answer; what may not stay in it is taken out.
    pub(super) fn keeps(&mut self, answer: &mut Value) -> bool {
        self.value("", answer, self.known.about)
    }

    /// The same for an item that has to say itself which repository it is about.
    pub(super) fn keeps_attributed(&mut self, item: &mut Value) -> bool {
        let kept = says_its_repository(item) && self.value("", item, None);
        self.dropped += usize::from(!kept);
        kept
    }

    fn value(&mut self, called: &str, value: &mut Value, about: Option<&About>) -> bool {
        match value {
            Value::Array(items) => {
                let before = items.len();
                items.retain_mut(|item| self.value(called, item, about));
                self.dropped += before - items.len();
                true
            }
            Value::Object(members) => self.object(called, members, about),
            Value::String(text) if called == "event_payload" => {
                self.payload(text, about);
                true
            }
            Value::String(text) if called.ends_with("url") || called == "link" => {
                self.address(text, about);
                true
            }
            _ => true,
        }
    }

    fn object(&mut self, called: &str, members: &mut Map<String, Value>, outer: Option<&About>) -> bool {
        let of = if is_repository(members) { Some(&*members) } else { members.get("repository").and_then(repository) };
        let own = match of {
            Some(of) => match about(of).filter(|(id, _)| self.known.chosen.contains(*id)) {
                Some(own) => Some(own),
                None => return false,
            },
            None if OTHER_ISSUES.contains(&called) => return false,
            None => None,
        };
        let about = own.as_ref().or(outer);
        if named(members).is_some_and(|name| !self.known.names.contains(&name)) || self.is_foreign_commit(members) {
            return false;
        }
        let mut emptied = false;
        for (name, member) in members.iter_mut() {
            if self.value(name, member, about) {
                continue;
            }
            let nullable = NULLABLE.iter().any(|(of, nullable)| name == nullable && of.is_none_or(|of| of == called));
            if !nullable {
                return false;
            }
            *member = Value::Null;
            self.dropped += 1;
            emptied = true;
        }
        if emptied && members.contains_key("repo_id") {
            // As for a fork that was deleted.
            members.insert("repo_id".to_owned(), (-1).into());
        }
        if let (Some((id, _)), Some(uuid)) = (about, attachment(members)) {
            self.attachments.push((uuid, *id));
        }
        true
    }

    /// An address within another repository than the one that the value is about names it: that of a file in a fork's branch, for one.
    fn address(&self, text: &mut String, about: Option<&About>) {
        let Some((_, own)) = about else { return };
        if (self.known.repository_at)(text).is_some_and(|of| of != *own) {
            text.clear();
        }
    }

    /// Actions keep the event that started a run as a text, which is JSON itself.
    fn payload(&mut self, text: &mut String, about: Option<&About>) {
        let kept = serde_json::from_str::<Value>(text).ok().filter(|payload| !payload.is_string());
        let kept = kept.and_then(|mut payload| self.value("", &mut payload, about).then_some(payload));
        if let Some(payload) = kept {
            *text = payload.to_string();
        } else {
            text.clear();
            self.dropped += 1;
        }
    }

    /// An event that says that a commit mentions the issue holds a link to the commit and its message, as HTML.
    fn is_foreign_commit(&self, members: &Map<String, Value>) -> bool {
        if members.get("type").and_then(Value::as_str) != Some("commit_ref") {
            return false;
        }
        let Some(body) = members.get("body").and_then(Value::as_str) else { return false };
        let own = self.known.about.map(|(_, name)| name);
        let of = body.split_once("/commit/").and_then(|(before, _)| {
            let mut parts = before.rsplit(['/', '"', '\'']);
            let (name, owner) = (parts.next()?.to_lowercase(), parts.next()?.to_lowercase());
            Some(RepositoryName { owner, name })
        });
        of.as_ref() != own
    }
}

/// Whether a list's item is a repository, is of one, or is about an issue of one.
fn says_its_repository(item: &Value) -> bool {
    let Some(members) = item.as_object() else { return false };
    let repository = [Some(item), members.get("repository"), item.pointer("/issue/repository")];
    let of_repository = repository.into_iter().flatten().filter_map(Value::as_object).any(is_repository);
    of_repository || named(members).is_some()
}

fn repository(value: &Value) -> Option<&Map<String, Value>> {
    value.as_object().filter(|members| is_repository(members))
}

/// Both of Forgejo's forms: the whole one, and the short one within an issue. A user has a full name too, but no owner.
fn is_repository(members: &Map<String, Value>) -> bool {
    members.contains_key("full_name") && members.contains_key("owner")
}

fn about(repository: &Map<String, Value>) -> Option<About> {
    let id = repository.get("id")?.as_i64()?;
    let (owner, name) = repository.get("full_name")?.as_str()?.split_once('/')?;
    Some((id, RepositoryName { owner: owner.to_lowercase(), name: name.to_lowercase() }))
}

/// A stopwatch names its repository without an id.
pub(super) fn named(members: &Map<String, Value>) -> Option<RepositoryName> {
    let text = |name: &str| members.get(name).map(|value| value.as_str().unwrap_or_default().to_lowercase());
    Some(RepositoryName { owner: text("repo_owner_name")?, name: text("repo_name")? })
}

fn attachment(members: &Map<String, Value>) -> Option<Uuid> {
    members.get("browser_download_url")?;
    Uuid::read(members.get("uuid")?.as_str()?)
}

#[cfg(test)]
pub(in crate::gateway) mod tests;

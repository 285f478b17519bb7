//! References in texts: `owner/name#1`, `owner/name!1` and links to issues. What they refer to gets an event, in whatever repository it is;
//! behind a word like "closes" a commit also closes it there.

use super::{State, repo::Access};

/// Something on an issue's timeline other than a comment.
#[derive(Clone)]
pub(crate) struct Event {
    pub(crate) id: i64,
    pub(crate) doer: i64,
    pub(crate) created: i64,
    pub(crate) what: Happening,
}

#[derive(Clone)]
pub(crate) enum Happening {
    /// An issue, pull request or comment refers to this one: its repository and number.
    Mentioned(i64, i64),
    /// A commit does: repository, id and message.
    MentionedByCommit(i64, String, String),
    /// An issue was added to those that must be closed first.
    Depends(i64, i64),
}

/// Where a text stands.
#[derive(Clone, Copy)]
pub(crate) enum Source<'a> {
    Issue(i64, i64),
    Commit(i64, &'a str),
}

struct Reference {
    repo: i64,
    number: i64,
    closes: bool,
}

// === impl State ===

impl State {
    /// Notes what a text refers to, as far as its writer may see it.
    pub(crate) fn refer(&mut self, doer: i64, text: &str, from: Source<'_>, now: i64) {
        let here = match from {
            Source::Issue(repo, _) | Source::Commit(repo, _) => repo,
        };
        for reference in self.references(doer, text, here) {
            let Reference { repo, number, closes } = reference;
            let what = match from {
                Source::Issue(repo, number) => Happening::Mentioned(repo, number),
                Source::Commit(repo, sha) => Happening::MentionedByCommit(repo, sha.to_owned(), text.to_owned()),
            };
            let may_write = self.repos.get(&repo).is_some_and(|repo| self.access(Some(doer), repo) >= Access::Write);
            self.happened(repo, number, doer, what, now);
            let issue = self.repos.get_mut(&repo).and_then(|repo| repo.issues.get_mut(&number));
            if let Some(issue) = issue.filter(|_| closes && may_write && matches!(from, Source::Commit(..))) {
                issue.closed_at = issue.closed_at.or(Some(now));
            }
        }
    }

    /// Adds an event to an issue.
    pub(crate) fn happened(&mut self, repo: i64, number: i64, doer: i64, what: Happening, now: i64) {
        let id = self.next_id("comment");
        if let Some(issue) = self.repos.get_mut(&repo).and_then(|repo| repo.issues.get_mut(&number)) {
            issue.events.push(Event { id, doer, created: now, what });
        }
    }

    fn references(&self, doer: i64, text: &str, here: i64) -> Vec<Reference> {
        let mut found = Vec::new();
        let mut before = "";
        for word in text.split(|c: char| c.is_whitespace() || "()[]<>\"'".contains(c)) {
            let word = word.trim_end_matches(|c: char| ".,;:?!".contains(c));
            if let Some((repo, number)) = self.referred(doer, word, here) {
                let closing = ["close", "closes", "closed", "fix", "fixes", "fixed", "resolve", "resolves", "resolved"];
                found.push(Reference { repo, number, closes: closing.contains(&before.to_lowercase().as_str()) });
            }
            before = word.trim_end_matches(':');
        }
        found
    }

    fn referred(&self, doer: i64, word: &str, here: i64) -> Option<(i64, i64)> {
        let (path, number) = match word.split_once("://") {
            Some((_, address)) => {
                let (_, path) = address.split_once('/')?;
                let (path, number) = path.split_once("/issues/").or_else(|| path.split_once("/pulls/"))?;
                (path, number.split('#').next()?)
            }
            None => word.split_once(['#', '!'])?,
        };
        let repo = if path.is_empty() {
            self.repos.get(&here)?
        } else {
            let mut parts = path.rsplit('/');
            let (name, owner) = (parts.next()?, parts.next()?);
            self.repo(owner, name).filter(|repo| self.access(Some(doer), repo) >= Access::Read)?
        };
        let number = number.parse().ok()?;
        repo.issues.contains_key(&number).then_some((repo.id, number))
    }
}

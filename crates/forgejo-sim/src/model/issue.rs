//! Issues and pull requests, their comments, labels and milestones.

use std::collections::{BTreeMap, BTreeSet};

use super::reference::Event;

/// An issue; a pull request is one with [`Pull`].
#[derive(Clone)]
pub(crate) struct Issue {
    pub(crate) id: i64,
    pub(crate) number: i64,
    pub(crate) poster: i64,
    pub(crate) title: String,
    pub(crate) body: String,
    pub(crate) git_ref: String,
    pub(crate) labels: BTreeSet<i64>,
    pub(crate) milestone: Option<i64>,
    pub(crate) assignees: Vec<i64>,
    pub(crate) closed_at: Option<i64>,
    pub(crate) due: Option<i64>,
    pub(crate) created: i64,
    pub(crate) updated: i64,
    pub(crate) locked: bool,
    pub(crate) comments: Vec<Comment>,
    pub(crate) times: Vec<Time>,
    /// Users whose stopwatch runs, and since when.
    pub(crate) stopwatches: BTreeMap<i64, i64>,
    /// Issues (repository, number) that must be closed first.
    pub(crate) dependencies: BTreeSet<(i64, i64)>,
    /// What else is on its timeline.
    pub(crate) events: Vec<Event>,
    pub(crate) pull: Option<Pull>,
}

#[derive(Clone)]
pub(crate) struct Comment {
    pub(crate) id: i64,
    pub(crate) poster: i64,
    pub(crate) body: String,
    pub(crate) created: i64,
    pub(crate) updated: i64,
}

#[derive(Clone)]
pub(crate) struct Time {
    pub(crate) id: i64,
    pub(crate) user: i64,
    pub(crate) seconds: i64,
    pub(crate) created: i64,
}

/// What makes an issue a pull request.
#[derive(Clone)]
pub(crate) struct Pull {
    pub(crate) head: String,
    pub(crate) base: String,
    /// Repository of the head branch: the same, or a fork.
    pub(crate) head_repo: i64,
    /// Commit ids of head and base when it was merged.
    pub(crate) merged: Option<Merged>,
    pub(crate) reviewers: BTreeSet<i64>,
    pub(crate) reviews: Vec<Review>,
}

#[derive(Clone)]
pub(crate) struct Merged {
    pub(crate) at: i64,
    pub(crate) by: i64,
    pub(crate) commit: String,
    pub(crate) head: String,
    pub(crate) base: String,
}

#[derive(Clone)]
pub(crate) struct Review {
    pub(crate) id: i64,
    pub(crate) user: i64,
    /// `APPROVED`, `PENDING`, `COMMENT` or `REQUEST_CHANGES`.
    pub(crate) state: String,
    pub(crate) body: String,
    pub(crate) commit: String,
    pub(crate) submitted: i64,
    pub(crate) dismissed: bool,
    /// Path, line and text of each remark.
    pub(crate) remarks: Vec<(String, i64, String)>,
}

#[derive(Clone)]
pub(crate) struct Label {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) color: String,
    pub(crate) description: String,
}

#[derive(Clone)]
pub(crate) struct Milestone {
    pub(crate) id: i64,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) closed_at: Option<i64>,
    pub(crate) due: Option<i64>,
    pub(crate) created: i64,
    pub(crate) updated: i64,
}

// === impl Issue ===

impl Issue {
    pub(crate) const fn state(&self) -> &'static str {
        if self.closed_at.is_some() { "closed" } else { "open" }
    }

    /// Whether a list's `state` parameter (`open` by default, `closed`, `all`) lets it through.
    pub(crate) fn matches_state(&self, wanted: &str) -> bool {
        match wanted {
            "all" => true,
            "closed" => self.closed_at.is_some(),
            _ => self.closed_at.is_none(),
        }
    }
}

//! Repositories and what a user may do in them.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    git::{Commit, Git},
    issue::{Issue, Label, Milestone},
    release::Release,
};

/// Rights in a repository, each including the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Access {
    None,
    Read,
    Write,
    Admin,
}

pub(crate) struct Repo {
    pub(crate) id: i64,
    pub(crate) owner: i64,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) website: String,
    pub(crate) private: bool,
    pub(crate) archived: bool,
    pub(crate) template: bool,
    pub(crate) fork_of: Option<i64>,
    pub(crate) default_branch: String,
    pub(crate) merged_branch: MergedBranch,
    pub(crate) created: i64,
    pub(crate) updated: i64,
    pub(crate) git: Git,
    /// Issues and pull requests by number.
    pub(crate) issues: BTreeMap<i64, Issue>,
    pub(crate) labels: Vec<Label>,
    pub(crate) milestones: Vec<Milestone>,
    pub(crate) releases: Vec<Release>,
    pub(crate) topics: BTreeSet<String>,
    pub(crate) collaborators: BTreeMap<i64, Access>,
    /// Wiki pages by title.
    pub(crate) wiki: BTreeMap<String, WikiPage>,
    /// Objects that the API only stores and shows: webhooks, deploy keys, branch protections, commit statuses, push mirrors.
    pub(crate) hooks: Vec<serde_json::Value>,
    pub(crate) keys: Vec<serde_json::Value>,
    pub(crate) protections: Vec<serde_json::Value>,
    pub(crate) statuses: Vec<serde_json::Value>,
    pub(crate) push_mirrors: Vec<serde_json::Value>,
    pub(crate) runner_token: Option<String>,
}

/// What becomes of a branch by a merge that does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MergedBranch {
    Stays,
    Goes,
}

pub(crate) struct WikiPage {
    pub(crate) content: String,
    pub(crate) message: String,
    pub(crate) author: i64,
    pub(crate) updated: i64,
    pub(crate) revisions: i64,
}

// === impl Access ===

impl Access {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "read" | "pull" => Some(Self::Read),
            "write" | "push" => Some(Self::Write),
            "admin" | "owner" => Some(Self::Admin),
            _ => None,
        }
    }
}

// === impl Repo ===

impl Repo {
    pub(crate) fn new(id: i64, owner: i64, name: &str, now: i64) -> Self {
        Self {
            id,
            owner,
            name: name.to_owned(),
            description: String::new(),
            website: String::new(),
            private: false,
            archived: false,
            template: false,
            fork_of: None,
            default_branch: "main".to_owned(),
            merged_branch: MergedBranch::Stays,
            created: now,
            updated: now,
            git: Git::default(),
            issues: BTreeMap::new(),
            labels: Vec::new(),
            milestones: Vec::new(),
            releases: Vec::new(),
            topics: BTreeSet::new(),
            collaborators: BTreeMap::new(),
            wiki: BTreeMap::new(),
            hooks: Vec::new(),
            keys: Vec::new(),
            protections: Vec::new(),
            statuses: Vec::new(),
            push_mirrors: Vec::new(),
            runner_token: None,
        }
    }

    /// The commit that a name stands for: branch, tag, commit id or `HEAD`.
    pub(crate) fn resolve(&self, name: &str) -> Option<&Commit> {
        self.git.resolve(if name == "HEAD" { &self.default_branch } else { name })
    }

    /// The next number, shared by issues and pull requests.
    pub(crate) fn next_number(&self) -> i64 {
        self.issues.keys().next_back().copied().unwrap_or_default() + 1
    }

    /// Open issues and open pull requests.
    pub(crate) fn open_counts(&self) -> (usize, usize) {
        let open = self.issues.values().filter(|issue| issue.closed_at.is_none());
        let pulls = open.clone().filter(|issue| issue.pull.is_some()).count();
        (open.count() - pulls, pulls)
    }
}

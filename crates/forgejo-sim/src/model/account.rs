//! Users, organisations, teams.

use std::collections::BTreeSet;

use super::{issue::Label, repo::Access};

/// Whether and how far a user may act.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UserState {
    /// Nothing stands in his way.
    #[default]
    Active,
    /// Deactivated by an administrator, or never activated.
    Deactivated,
    /// "Disable sign-in" by an administrator.
    Prohibited,
    /// He has to choose a new password first.
    MustChangePassword,
    /// The server demands a second factor that he has not set up (Forgejo 15 and later; no effect before).
    TwoFactorMissing,
}

#[derive(Clone)]
pub(crate) struct User {
    pub(crate) id: i64,
    pub(crate) login: String,
    pub(crate) password: String,
    pub(crate) full_name: String,
    pub(crate) email: String,
    pub(crate) admin: bool,
    pub(crate) created: i64,
    pub(crate) state: UserState,
    /// SSH keys as the API shows them.
    pub(crate) keys: Vec<serde_json::Value>,
    pub(crate) hooks: Vec<serde_json::Value>,
    pub(crate) starred: BTreeSet<i64>,
    pub(crate) runner_token: Option<String>,
}

pub(crate) struct Org {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) full_name: String,
    pub(crate) description: String,
    pub(crate) website: String,
    pub(crate) location: String,
    pub(crate) visibility: String,
    pub(crate) created: i64,
    pub(crate) teams: Vec<Team>,
    pub(crate) labels: Vec<Label>,
    pub(crate) hooks: Vec<serde_json::Value>,
    pub(crate) runner_token: Option<String>,
}

pub(crate) struct Team {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) access: Access,
    pub(crate) members: BTreeSet<i64>,
    pub(crate) repos: BTreeSet<i64>,
    pub(crate) all_repos: bool,
}

// === impl User ===

impl User {
    pub(crate) const fn is_active(&self) -> bool {
        !matches!(self.state, UserState::Deactivated)
    }

    pub(crate) const fn is_prohibited(&self) -> bool {
        matches!(self.state, UserState::Prohibited)
    }
}

// === impl Org ===

impl Org {
    /// A public organisation with one owner.
    pub(crate) fn new(id: i64, name: &str, team: i64, owner: i64, now: i64) -> Self {
        let owners = Team {
            id: team,
            name: "Owners".to_owned(),
            description: String::new(),
            access: Access::Admin,
            members: BTreeSet::from([owner]),
            repos: BTreeSet::new(),
            all_repos: true,
        };
        Self {
            id,
            name: name.to_owned(),
            full_name: String::new(),
            description: String::new(),
            website: String::new(),
            location: String::new(),
            visibility: "public".to_owned(),
            created: now,
            teams: vec![owners],
            labels: Vec::new(),
            hooks: Vec::new(),
            runner_token: None,
        }
    }

    pub(crate) fn has_member(&self, user: i64) -> bool {
        self.teams.iter().any(|team| team.members.contains(&user))
    }

    pub(crate) fn is_owner(&self, user: i64) -> bool {
        self.teams
            .iter()
            .any(|team| team.access == Access::Admin && team.name == "Owners" && team.members.contains(&user))
    }

    pub(crate) fn members(&self) -> BTreeSet<i64> {
        self.teams.iter().flat_map(|team| team.members.iter().copied()).collect()
    }
}

// === impl Team ===

impl Team {
    pub(crate) fn reaches(&self, repo: i64) -> bool {
        self.all_repos || self.repos.contains(&repo)
    }
}

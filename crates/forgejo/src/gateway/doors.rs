//! The doors that stay shut for everybody unless the operator opens a group: credentials, and ways to make or leak them.
//!
//! Measured on Forgejo 11.0.15: a token with read scopes GETs a runner registration token, and answers about hooks carry
//! stored Authorization headers. So the method does not matter here.

use std::{fmt, str::FromStr};

use super::path::{TargetPath, is_free_name_kind};

/// A group of API paths that the operator opens or leaves shut as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DoorGroup {
    /// `/admin/**`
    Admin,
    /// `/users/{name}/tokens**`
    Tokens,
    /// `/user/{keys,gpg_keys,gpg_key_token,gpg_key_verify}**`
    UserKeys,
    /// `/user/applications**`
    Applications,
    /// `/user/emails**`
    Emails,
    /// `/user/hooks**` and `**/hooks**`
    Hooks,
    /// `/user/actions**` and `**/actions/{runners,secrets,variables}**`
    Actions,
    /// `/repos/{owner}/{repo}/keys**`
    DeployKeys,
    /// `/repos/{owner}/{repo}/push_mirrors**`
    PushMirrors,
    /// `/repos/{owner}/{repo}/collaborators**`
    Collaborators,
    /// `/repos/{owner}/{repo}/transfer**`
    Transfer,
    /// `/repos/migrate`
    Migrate,
    /// `/activitypub/**`
    ActivityPub,
}

/// A set of [`DoorGroup`]s.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct DoorGroups(u16);

/// The name of a door group is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown door group {given:?}; known are: {}", DoorGroup::ALL.map(DoorGroup::name).join(", "))]
pub struct UnknownDoorGroup {
    given: String,
}

/// The groups that a path belongs to; empty for a path without a door.
#[must_use]
pub(super) fn groups_of(path: &TargetPath) -> DoorGroups {
    let Some(api) = path.api() else {
        return DoorGroups::default();
    };
    let folded: Vec<String> = api.iter().map(|segment| segment.to_lowercase()).collect();
    let words: Vec<&str> = folded.iter().map(String::as_str).collect();
    let mut groups = DoorGroups::default();
    match words.as_slice() {
        ["admin", ..] => groups.insert(DoorGroup::Admin),
        ["activitypub", ..] => groups.insert(DoorGroup::ActivityPub),
        ["users", _, word, ..] if word.starts_with("tokens") => groups.insert(DoorGroup::Tokens),
        ["user", word, ..] => groups.extend(user_door(word)),
        ["repos", "migrate"] => groups.insert(DoorGroup::Migrate),
        ["repos", _, _, word, ..] => groups.extend(repository_door(word)),
        _ => {}
    }
    let fixed = fixed_words(&words);
    if fixed.iter().any(|word| word.starts_with("hooks")) {
        groups.insert(DoorGroup::Hooks);
    }
    let credential_of_actions = |pair: &[&str]| {
        pair.first() == Some(&"actions")
            && pair
                .get(1)
                .is_some_and(|word| ["runners", "secrets", "variables"].iter().any(|door| word.starts_with(door)))
    };
    if fixed.windows(2).any(credential_of_actions) {
        groups.insert(DoorGroup::Actions);
    }
    groups
}

fn user_door(word: &str) -> Option<DoorGroup> {
    const DOORS: &[(&str, DoorGroup)] = &[
        ("keys", DoorGroup::UserKeys),
        ("gpg_key", DoorGroup::UserKeys),
        ("applications", DoorGroup::Applications),
        ("emails", DoorGroup::Emails),
        ("hooks", DoorGroup::Hooks),
        ("actions", DoorGroup::Actions),
    ];
    DOORS.iter().find(|(prefix, _)| word.starts_with(prefix)).map(|(_, group)| *group)
}

fn repository_door(word: &str) -> Option<DoorGroup> {
    const DOORS: &[(&str, DoorGroup)] = &[
        ("keys", DoorGroup::DeployKeys),
        ("push_mirrors", DoorGroup::PushMirrors),
        ("collaborators", DoorGroup::Collaborators),
        ("transfer", DoorGroup::Transfer),
    ];
    DOORS.iter().find(|(prefix, _)| word.starts_with(prefix)).map(|(_, group)| *group)
}

/// The segments that are words of Forgejo's API, without names that people chose: a directory of a repository, a branch
/// or a user may well be called `hooks`.
fn fixed_words<'w>(words: &'w [&'w str]) -> &'w [&'w str] {
    let range = match words {
        ["repos", _, _, kind, ..] if is_free_name_kind(kind) => 3..4,
        ["repos", ..] => 3..words.len(),
        ["orgs" | "users" | "teams", _, "actions", ..] => 2..words.len().min(4),
        ["orgs" | "users" | "teams", _, _, ..] => 2..3,
        ["orgs" | "users" | "teams" | "packages", ..] => 0..0,
        ["user", _, ..] => 1..2,
        _ => 0..words.len(),
    };
    words.get(range).unwrap_or_default()
}

// === impl DoorGroup ===

impl DoorGroup {
    /// Every group.
    pub const ALL: [Self; 13] = [
        Self::Admin,
        Self::Tokens,
        Self::UserKeys,
        Self::Applications,
        Self::Emails,
        Self::Hooks,
        Self::Actions,
        Self::DeployKeys,
        Self::PushMirrors,
        Self::Collaborators,
        Self::Transfer,
        Self::Migrate,
        Self::ActivityPub,
    ];

    /// The name by which the operator's configuration and refusals call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Tokens => "tokens",
            Self::UserKeys => "user-keys",
            Self::Applications => "applications",
            Self::Emails => "emails",
            Self::Hooks => "hooks",
            Self::Actions => "actions",
            Self::DeployKeys => "deploy-keys",
            Self::PushMirrors => "push-mirrors",
            Self::Collaborators => "collaborators",
            Self::Transfer => "transfer",
            Self::Migrate => "migrate",
            Self::ActivityPub => "activitypub",
        }
    }

    fn bit(self) -> u16 {
        1 << (self as u16)
    }
}

impl fmt::Display for DoorGroup {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for DoorGroup {
    type Err = UnknownDoorGroup;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|group| group.name().eq_ignore_ascii_case(text.trim()))
            .ok_or_else(|| UnknownDoorGroup { given: text.to_owned() })
    }
}

// === impl DoorGroups ===

impl DoorGroups {
    /// Adds a group.
    pub fn insert(&mut self, group: DoorGroup) {
        self.0 |= group.bit();
    }

    /// Whether the group is in the set.
    #[must_use]
    pub fn contains(self, group: DoorGroup) -> bool {
        self.0 & group.bit() != 0
    }

    /// Whether the set has no group.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The first group that `self` has and `open` lacks.
    #[must_use]
    pub fn first_outside(self, open: Self) -> Option<DoorGroup> {
        self.iter().find(|group| !open.contains(*group))
    }

    /// The groups of the set.
    pub fn iter(self) -> impl Iterator<Item = DoorGroup> {
        DoorGroup::ALL.into_iter().filter(move |group| self.contains(*group))
    }
}

impl Extend<DoorGroup> for DoorGroups {
    fn extend<I: IntoIterator<Item = DoorGroup>>(&mut self, groups: I) {
        for group in groups {
            self.insert(group);
        }
    }
}

impl FromIterator<DoorGroup> for DoorGroups {
    fn from_iter<I: IntoIterator<Item = DoorGroup>>(groups: I) -> Self {
        let mut set = Self::default();
        set.extend(groups);
        set
    }
}

impl fmt::Debug for DoorGroups {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
pub(in crate::gateway) mod tests;

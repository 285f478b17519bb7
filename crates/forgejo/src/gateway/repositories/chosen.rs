//! The repositories that a user has picked, by Forgejo's ids: names can be given away, ids never are.

use std::collections::HashSet;

/// The picked repositories of a grant; possibly none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChosenRepositories(HashSet<i64>);

// === impl ChosenRepositories ===

impl ChosenRepositories {
    /// Whether the repository with this id of Forgejo's is among them.
    #[must_use]
    pub fn contains(&self, id: i64) -> bool {
        self.0.contains(&id)
    }
}

impl FromIterator<i64> for ChosenRepositories {
    fn from_iter<I: IntoIterator<Item = i64>>(ids: I) -> Self {
        Self(ids.into_iter().collect())
    }
}

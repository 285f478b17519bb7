//! Whose request it is, and what he gave.

use std::sync::Arc;

use super::repositories::ChosenRepositories;

/// The user and grant that a worker serves. Both ids are opaque to the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayAssignment {
    /// User id, for [`crate::token_source::TokenSource`] and the limits.
    pub user: Arc<str>,
    /// Grant id, for [`GrantLookup`].
    pub grant: Arc<str>,
}

/// What a grant allows now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantAccess {
    /// Everything that the user may do, the closed doors excepted.
    ReadWrite,
    /// GET, HEAD and rendering.
    ReadOnly,
    /// Nothing: revoked, expired or unknown.
    Ended,
}

/// A grant's limits at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantTerms {
    /// What it may do.
    pub access: GrantAccess,
    /// Where it may do it; `None` is everywhere.
    pub repositories: Option<Arc<ChosenRepositories>>,
}

/// The limits of grants, asked at every request; answers from memory.
pub trait GrantLookup: Send + Sync + 'static {
    /// What the grant allows now; [`GrantTerms::ENDED`] for an unknown one.
    fn terms(&self, grant: &str) -> GrantTerms;
}

// === impl GrantTerms ===

impl GrantTerms {
    /// Those of a grant that has ended.
    pub const ENDED: Self = Self { access: GrantAccess::Ended, repositories: None };

    /// Those of a grant that is limited to no repositories.
    #[must_use]
    pub fn everywhere(access: GrantAccess) -> Self {
        Self { access, repositories: None }
    }
}

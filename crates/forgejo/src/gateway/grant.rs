//! Whose request it is, and what he gave.

use std::sync::Arc;

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

/// The limits of grants, asked at every request; answers from memory.
pub trait GrantLookup: Send + Sync + 'static {
    /// What the grant allows now; [`GrantAccess::Ended`] for an unknown one.
    fn access(&self, grant: &str) -> GrantAccess;
}

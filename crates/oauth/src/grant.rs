//! A grant: what one user has allowed one client. Parent of all its tokens, and thus the token family (RFC 9700 §4.14.2).

use crate::clock::Timestamp;
use crate::id::{ClientId, GrantId, UserId};
use crate::scope::ScopeSet;

/// One completed authorization. Every completed authorization makes a new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Its id.
    pub id: GrantId,
    /// Who granted.
    pub user: UserId,
    /// To whom.
    pub client: ClientId,
    /// What.
    pub scope: ScopeSet,
    /// Narrower than the scope, where the user chose so.
    pub limits: GrantLimits,
    /// The canonical resource (RFC 8707) for which its tokens are good.
    pub resource: String,
    /// When.
    pub created_at: Timestamp,
    /// Last seen at `/mcp` or `/oauth/token`; kept coarse.
    pub last_used_at: Option<Timestamp>,
    /// When it ended, if it has.
    pub revoked_at: Option<Timestamp>,
}

/// What a user took away from a grant at consent, beyond its scope.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantLimits {
    /// Forgejo ids of the chosen repositories; `None` means all that the user can see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repositories: Option<Vec<i64>>,
}

// === impl Grant ===

impl Grant {
    /// Whether the grant still stands.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.revoked_at.is_none()
    }
}

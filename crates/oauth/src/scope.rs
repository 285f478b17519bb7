//! Scopes `read` and `write` (design: write implies read; oauth.md A10, B21).

use std::fmt;
use std::str::FromStr;

/// What a token allows. Write implies read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Only what reads.
    Read,
    /// Everything the user may do, closed doors excepted.
    Write,
}

/// A granted scope. There is no empty one: every grant may at least read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ScopeSet {
    access: Access,
}

/// A scope parameter in which no scope of ours is left (RFC 6749 §5.2 `invalid_scope`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("none of the requested scopes exists here; ask for `read` or `read write`")]
pub struct InvalidScope;

/// Accepted in requests, as clients add it by habit; it changes nothing, since every client gets a refresh token (oauth.md A11, B21).
pub const OFFLINE_ACCESS: &str = "offline_access";

// === impl ScopeSet ===

impl ScopeSet {
    /// `read` alone.
    pub const READ: Self = Self { access: Access::Read };
    /// `read write`: the default, and what challenges name, because clients take exactly what is named.
    pub const READ_WRITE: Self = Self { access: Access::Write };

    /// Reads the `scope` parameter of a request. Absent or empty means the default. Unknown names are dropped unless nothing is left.
    ///
    /// # Errors
    /// [`InvalidScope`] when only unknown names were asked for.
    pub fn requested(parameter: Option<&str>) -> Result<Self, InvalidScope> {
        match parameter.map(str::trim) {
            None | Some("") => Ok(Self::READ_WRITE),
            Some(text) => text.parse(),
        }
    }

    /// What this scope allows.
    #[must_use]
    pub fn access(self) -> Access {
        self.access
    }

    /// Whether this scope includes `other`.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        self.access >= other.access
    }

    /// The lower of the two: what remains when a user narrows what a client asked for.
    #[must_use]
    pub fn narrowed_to(self, limit: Self) -> Self {
        Self { access: self.access.min(limit.access) }
    }
}

impl From<Access> for ScopeSet {
    fn from(access: Access) -> Self {
        Self { access }
    }
}

impl FromStr for ScopeSet {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut access = None;
        let mut only_offline = true;
        for name in text.split_ascii_whitespace() {
            match name {
                "write" => access = Some(Access::Write),
                "read" => access = access.max(Some(Access::Read)),
                OFFLINE_ACCESS => continue,
                _ => {}
            }
            only_offline = false;
        }
        match access {
            Some(access) => Ok(Self { access }),
            None if only_offline => Ok(Self::READ_WRITE),
            None => Err(InvalidScope),
        }
    }
}

impl TryFrom<String> for ScopeSet {
    type Error = InvalidScope;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ScopeSet> for String {
    fn from(scope: ScopeSet) -> Self {
        scope.to_string()
    }
}

impl fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.access {
            Access::Read => "read",
            Access::Write => "read write",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_without_scope_gets_the_default() {
        assert_eq!(ScopeSet::requested(None), Ok(ScopeSet::READ_WRITE));
        assert_eq!(ScopeSet::requested(Some("  ")), Ok(ScopeSet::READ_WRITE));
    }

    #[test]
    fn unknown_names_are_dropped_unless_nothing_is_left() {
        assert_eq!(ScopeSet::requested(Some("read repo:all")), Ok(ScopeSet::READ));
        assert_eq!(ScopeSet::requested(Some("repo:all admin")), Err(InvalidScope));
    }

    #[test]
    fn offline_access_is_accepted_and_changes_nothing() {
        assert_eq!(ScopeSet::requested(Some("offline_access")), Ok(ScopeSet::READ_WRITE));
        assert_eq!(ScopeSet::requested(Some("read offline_access")), Ok(ScopeSet::READ));
    }

    #[test]
    fn write_implies_read() {
        assert_eq!(ScopeSet::requested(Some("write")).unwrap().to_string(), "read write");
        assert!(ScopeSet::READ_WRITE.covers(ScopeSet::READ));
        assert!(!ScopeSet::READ.covers(ScopeSet::READ_WRITE));
    }

    #[test]
    fn narrowing_never_widens() {
        assert_eq!(ScopeSet::READ.narrowed_to(ScopeSet::READ_WRITE), ScopeSet::READ);
        assert_eq!(ScopeSet::READ_WRITE.narrowed_to(ScopeSet::READ), ScopeSet::READ);
    }
}

//! Refresh tokens: rotation, replay, and when a replay ends the family.
//!
//! Goal: of any number of concurrent uses of one refresh token exactly one mints a pair, and a client that lost the answer, or refreshes from
//! several nodes at once, is not logged out. Choice: strict rotation (RFC 9700 §4.14.2, OAuth 2.1 §4.3.1); an optional window in which a replay
//! of the *immediate predecessor* gets the *same* pair again, until the successor is first used. Rejected: sibling pairs for each replay (they
//! multiply live credentials) and a predecessor that stays valid without a clock (no alarm for a stolen token).

use std::time::Duration;

use crate::clock::Timestamp;
use crate::grant::Grant;
use crate::id::ClientId;
use crate::token::Lifetimes;

/// A refused replay this soon after the token was spent is taken for a race of the client with itself: audited, harmless.
pub const HARMLESS_REPLAY: Duration = Duration::from_secs(30);

/// A stored refresh token.
#[derive(Debug, Clone)]
pub struct RefreshRecord {
    /// Its grant, the token family.
    pub grant: Grant,
    /// After this it is refused.
    pub expires_at: Timestamp,
    /// What became of it.
    pub state: RefreshState,
}

/// What became of a refresh token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefreshState {
    /// Not used yet.
    Valid,
    /// Spent.
    Consumed {
        /// When.
        at: Timestamp,
        /// The pair that was issued for it, sealed under a key derived from the token itself; erased at the successor's first use.
        successor: Option<SealedSuccessor>,
    },
    /// Revoked with its grant or by itself.
    Revoked {
        /// When.
        at: Timestamp,
    },
}

/// A sealed token pair. Only the holder of the spent token can open it.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedSuccessor(pub Vec<u8>);

/// What to do with a presented refresh token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Rotate, if the one conditional update still finds it valid.
    Rotate,
    /// Answer again with the pair in here.
    Repeat(SealedSuccessor),
    /// Refuse it; nothing else happens.
    Refuse(Refusal),
    /// A spent token came back too late to be an accident: end the family.
    RevokeFamily,
}

/// Why a refresh token is refused. The client sees `invalid_grant` with this text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Issued to another client.
    #[error("the refresh token was issued to another client")]
    OtherClient,
    /// Idle for too long, or the grant has reached its age.
    #[error("the refresh token has expired; authorize again")]
    Expired,
    /// Its grant has ended.
    #[error("the authorization has been revoked; authorize again")]
    Revoked,
    /// Spent a moment ago by another request of the same client.
    #[error("the refresh token was already used; use the newest one")]
    Spent,
}

/// Judges a presented refresh token. `window` is the replay window; zero turns it off.
#[must_use]
pub fn judge(record: &RefreshRecord, client: &ClientId, now: Timestamp, window: Duration) -> Verdict {
    if record.grant.client != *client {
        return Verdict::Refuse(Refusal::OtherClient);
    }
    if !record.grant.is_live() {
        return Verdict::Refuse(Refusal::Revoked);
    }
    match &record.state {
        RefreshState::Revoked { .. } => Verdict::Refuse(Refusal::Revoked),
        RefreshState::Valid if now > record.expires_at => Verdict::Refuse(Refusal::Expired),
        RefreshState::Valid => Verdict::Rotate,
        RefreshState::Consumed { at, successor } => {
            let age = now.since(*at);
            match successor {
                Some(sealed) if !window.is_zero() && age <= window => Verdict::Repeat(sealed.clone()),
                _ if age <= HARMLESS_REPLAY => Verdict::Refuse(Refusal::Spent),
                _ => Verdict::RevokeFamily,
            }
        }
    }
}

/// When a refresh token issued `now` expires: after the idle lifetime, but never later than the grant's absolute end.
#[must_use]
pub fn expiry(grant_created_at: Timestamp, now: Timestamp, lifetimes: &Lifetimes) -> Timestamp {
    now.plus(lifetimes.refresh_idle).min(grant_created_at.plus(lifetimes.refresh_absolute))
}

// === impl SealedSuccessor ===

impl std::fmt::Debug for SealedSuccessor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealedSuccessor")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grant::GrantLimits;
    use crate::scope::ScopeSet;

    fn record(state: RefreshState) -> RefreshRecord {
        RefreshRecord {
            grant: Grant {
                id: "g".into(),
                user: "u".into(),
                client: "c".into(),
                scope: ScopeSet::READ_WRITE,
                limits: GrantLimits::default(),
                resource: "https://b.example/mcp".into(),
                created_at: Timestamp(0),
                last_used_at: None,
                revoked_at: None,
            },
            expires_at: Timestamp(1_000_000),
            state,
        }
    }

    fn consumed(successor: bool) -> RefreshRecord {
        let successor = successor.then(|| SealedSuccessor(vec![1]));
        record(RefreshState::Consumed { at: Timestamp(0), successor })
    }

    const OFF: Duration = Duration::ZERO;
    const TWO_MINUTES: Duration = Duration::from_mins(2);

    #[test]
    fn a_valid_token_rotates_until_it_expires() {
        let client = "c".into();
        let valid = record(RefreshState::Valid);
        assert_eq!(judge(&valid, &client, Timestamp(1_000_000), OFF), Verdict::Rotate);
        assert_eq!(judge(&valid, &client, Timestamp(1_000_001), OFF), Verdict::Refuse(Refusal::Expired));
    }

    #[test]
    fn with_the_window_off_an_early_replay_is_refused_and_a_later_one_revokes_the_family() {
        let client = "c".into();
        assert_eq!(judge(&consumed(false), &client, Timestamp(30_000), OFF), Verdict::Refuse(Refusal::Spent));
        assert_eq!(judge(&consumed(false), &client, Timestamp(30_001), OFF), Verdict::RevokeFamily);
    }

    #[test]
    fn a_replayed_refresh_token_gets_the_same_pair_within_the_window() {
        let client = "c".into();
        let verdict = judge(&consumed(true), &client, Timestamp(120_000), TWO_MINUTES);
        assert_eq!(verdict, Verdict::Repeat(SealedSuccessor(vec![1])));
    }

    #[test]
    fn a_replayed_refresh_token_revokes_the_family_after_the_window() {
        let client = "c".into();
        assert_eq!(judge(&consumed(true), &client, Timestamp(120_001), TWO_MINUTES), Verdict::RevokeFamily);
    }

    #[test]
    fn once_the_successor_was_used_the_window_is_closed() {
        let client = "c".into();
        assert_eq!(judge(&consumed(false), &client, Timestamp(10_000), TWO_MINUTES), Verdict::Refuse(Refusal::Spent));
        assert_eq!(judge(&consumed(false), &client, Timestamp(60_000), TWO_MINUTES), Verdict::RevokeFamily);
    }

    #[test]
    fn another_client_can_neither_use_nor_revoke_by_replay() {
        let thief = "x".into();
        for state in [record(RefreshState::Valid), consumed(true), consumed(false)] {
            let verdict = judge(&state, &thief, Timestamp(500_000), TWO_MINUTES);
            assert_eq!(verdict, Verdict::Refuse(Refusal::OtherClient));
        }
    }

    #[test]
    fn a_grant_never_outlives_its_absolute_lifetime() {
        let lifetimes = Lifetimes {
            code: Duration::from_mins(1),
            access: Duration::from_hours(1),
            refresh_idle: Duration::from_secs(100),
            refresh_absolute: Duration::from_secs(150),
        };
        assert_eq!(expiry(Timestamp(0), Timestamp(10_000), &lifetimes), Timestamp(110_000));
        assert_eq!(expiry(Timestamp(0), Timestamp(100_000), &lifetimes), Timestamp(150_000));
    }
}

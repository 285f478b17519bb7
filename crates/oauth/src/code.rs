//! Authorization codes: judging one that is presented at the token endpoint (OAuth 2.1 §4.1.3; oauth.md §4.3).

use std::time::Duration;

use crate::clock::Timestamp;
use crate::grant::Grant;
use crate::id::ClientId;
use crate::pkce::CodeChallenge;

/// A replay sooner than this after the first use is taken for a client's own repetition and harms nothing.
pub const HARMLESS_REPLAY: Duration = Duration::from_secs(10);

/// A stored authorization code.
#[derive(Debug, Clone)]
pub struct CodeRecord {
    /// The grant that the code will make usable.
    pub grant: Grant,
    /// PKCE challenge of the authorization request.
    pub code_challenge: CodeChallenge,
    /// The redirect URI to which the code was sent, as text.
    pub redirect_uri: String,
    /// After this it is refused.
    pub expires_at: Timestamp,
    /// When it was redeemed, if it was.
    pub used_at: Option<Timestamp>,
}

/// What a client presents.
#[derive(Debug, Clone, Copy)]
pub struct Presented<'a> {
    /// The authenticated (or public) client.
    pub client: &'a ClientId,
    /// `redirect_uri`; may be absent in OAuth 2.1, is compared if sent.
    pub redirect_uri: Option<&'a str>,
    /// `code_verifier`.
    pub verifier: Option<&'a str>,
}

/// What to do with a presented code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Redeem it, if the one conditional update still finds it unused.
    Redeem,
    /// Refuse it; nothing else happens.
    Refuse(Refusal),
    /// Somebody holds a code that was already spent, with everything needed to spend it: end the grant.
    RevokeGrant,
}

/// Why a code is refused. The client sees `invalid_grant` with this text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Issued to another client.
    #[error("the code was issued to another client")]
    OtherClient,
    /// Sent to another redirect URI.
    #[error("redirect_uri differs from that of the authorization request")]
    RedirectUri,
    /// The verifier is missing or does not match.
    #[error("code_verifier is missing or does not match the code_challenge")]
    Verifier,
    /// Too old.
    #[error("the code has expired; start the authorization again")]
    Expired,
    /// Its grant has been revoked.
    #[error("the authorization behind this code has been revoked; start again")]
    Revoked,
    /// Used before.
    #[error("the code was already used")]
    Used,
}

/// Judges a presented code. A failed attempt does not burn it: whoever lacks the verifier must not be able to end a login.
#[must_use]
pub fn judge(record: &CodeRecord, presented: Presented<'_>, now: Timestamp) -> Verdict {
    if record.grant.client != *presented.client {
        return Verdict::Refuse(Refusal::OtherClient);
    }
    if presented.redirect_uri.is_some_and(|uri| uri != record.redirect_uri) {
        return Verdict::Refuse(Refusal::RedirectUri);
    }
    if !presented.verifier.is_some_and(|verifier| record.code_challenge.admits(verifier)) {
        return Verdict::Refuse(Refusal::Verifier);
    }
    if !record.grant.is_live() {
        return Verdict::Refuse(Refusal::Revoked);
    }
    match record.used_at {
        Some(used_at) if now.since(used_at) > HARMLESS_REPLAY => Verdict::RevokeGrant,
        Some(_) => Verdict::Refuse(Refusal::Used),
        None if now > record.expires_at => Verdict::Refuse(Refusal::Expired),
        None => Verdict::Redeem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grant::GrantLimits;
    use crate::scope::ScopeSet;

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

    fn record(used_at: Option<i64>) -> CodeRecord {
        CodeRecord {
            grant: Grant {
                id: "g".into(),
                user: "u".into(),
                client: "c".into(),
                scope: ScopeSet::READ,
                limits: GrantLimits::default(),
                resource: "https://b.example/mcp".into(),
                created_at: Timestamp(0),
                last_used_at: None,
                revoked_at: None,
            },
            code_challenge: CodeChallenge::try_from("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".to_owned()).unwrap(),
            redirect_uri: "https://a.example/cb".into(),
            expires_at: Timestamp(60_000),
            used_at: used_at.map(Timestamp),
        }
    }

    fn present<'a>(client: &'a ClientId, verifier: &'a str) -> Presented<'a> {
        Presented { client, redirect_uri: Some("https://a.example/cb"), verifier: Some(verifier) }
    }

    #[test]
    fn a_right_code_is_redeemed_once_and_in_time() {
        let client = "c".into();
        assert_eq!(judge(&record(None), present(&client, VERIFIER), Timestamp(60_000)), Verdict::Redeem);
        assert_eq!(
            judge(&record(None), present(&client, VERIFIER), Timestamp(60_001)),
            Verdict::Refuse(Refusal::Expired)
        );
    }

    #[test]
    fn a_replay_with_everything_right_revokes_the_grant_only_after_ten_seconds() {
        let client = "c".into();
        assert_eq!(
            judge(&record(Some(0)), present(&client, VERIFIER), Timestamp(10_000)),
            Verdict::Refuse(Refusal::Used)
        );
        assert_eq!(judge(&record(Some(0)), present(&client, VERIFIER), Timestamp(10_001)), Verdict::RevokeGrant);
    }

    #[test]
    fn a_replay_with_anything_wrong_is_only_refused() {
        // OAuth 2.1, "Reuse of Authorization Codes": else anyone who saw the code could end the grant.
        let (client, other) = ("c".into(), "x".into());
        let wrong = "wrong-wrong-wrong-wrong-wrong-wrong-wrong-wrong";
        let late = Timestamp(1_000_000);
        assert_eq!(judge(&record(Some(0)), present(&other, VERIFIER), late), Verdict::Refuse(Refusal::OtherClient));
        assert_eq!(judge(&record(Some(0)), present(&client, wrong), late), Verdict::Refuse(Refusal::Verifier));
        let mut elsewhere = present(&client, VERIFIER);
        elsewhere.redirect_uri = Some("https://a.example/other");
        assert_eq!(judge(&record(Some(0)), elsewhere, late), Verdict::Refuse(Refusal::RedirectUri));
    }
}

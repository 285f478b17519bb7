//! `POST login/oauth/access_token`, where every error is HTTP 400.
//!
//! `unauthorized_client` stands for a used, malformed or expired refresh token, a used code, a wrong verifier, and (at the code
//! exchange only) a wrong secret; `invalid_grant` for a revoked grant and a lost race; `invalid_client` for an application
//! that is gone and (at the refresh only) a wrong secret. So the code alone decides, and the text only informs.

use http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{Denial, ExchangeError, OAuthClient, RefreshError, TokenHints, Unreachable, answer::Answer, for_display};
use crate::credential_store::IssuedPair;

/// Taken for the life of a token when nothing says how long it lives: short, so that the error is on the safe side.
const UNKNOWN_LIFE_MS: i64 = 5 * 60 * 1000;

pub(super) enum TokenError {
    /// `invalid_client`.
    Client(Denial),
    /// `invalid_grant` or `unauthorized_client`.
    Grant(Denial),
    /// Another code.
    Other(Denial),
    Unreachable(Unreachable),
}

#[derive(Deserialize)]
struct Tokens {
    access_token: String,
    token_type: String,
    #[serde(default)]
    expires_in: Option<i64>,
    #[serde(default)]
    refresh_token: Option<String>,
}

#[derive(Deserialize)]
struct ErrorBody {
    error: String,
    #[serde(default)]
    error_description: String,
}

// === impl OAuthClient ===

impl OAuthClient {
    /// `secrets` are kept out of Forgejo's error text; `old` stays the refresh token if there is no new one.
    pub(super) async fn ask_for_tokens(
        &self,
        form: &[(&str, &str)],
        secrets: &[&str],
        old: Option<&SecretString>,
    ) -> Result<IssuedPair, TokenError> {
        let config = &self.inner.config;
        let client_secret = config.client_secret.expose_secret();
        let mut fields = vec![("client_id", config.client_id.as_str()), ("client_secret", client_secret)];
        fields.extend_from_slice(form);
        // Before the request: a token's life is counted from the earliest moment at which it can have begun.
        let now = (self.inner.now)();
        let request = self.inner.outbound.client().post(self.inner.endpoints.token.clone()).form(&fields);
        let answer = self.send(request).await?;
        if answer.status != StatusCode::OK {
            let secrets: Vec<&str> = secrets.iter().copied().chain([client_secret]).collect();
            return Err(denial(&answer, &secrets));
        }
        let tokens: Tokens = answer.json().ok_or_else(|| answer.unexpected())?;
        Ok(tokens.into_pair(now, old)?)
    }
}

fn denial(answer: &Answer, secrets: &[&str]) -> TokenError {
    // Gitea and proxies that imitate the RFC use 401 for the client; Forgejo knows only 400.
    if !matches!(answer.status, StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED) {
        return TokenError::Unreachable(answer.unexpected());
    }
    let Some(body) = answer.json::<ErrorBody>() else {
        return TokenError::Unreachable(answer.unexpected());
    };
    let denial =
        Denial { error: for_display(&body.error, secrets), description: for_display(&body.error_description, secrets) };
    match denial.error.as_str() {
        "invalid_client" => TokenError::Client(denial),
        "invalid_grant" | "unauthorized_client" => TokenError::Grant(denial),
        _ => TokenError::Other(denial),
    }
}

// === impl Tokens ===

impl Tokens {
    fn into_pair(self, now: i64, old: Option<&SecretString>) -> Result<IssuedPair, Unreachable> {
        if !self.token_type.eq_ignore_ascii_case("bearer") {
            return Err(Unreachable::because("Forgejo issued a token of another type than bearer"));
        }
        if !is_token(&self.access_token) {
            return Err(Unreachable::because("Forgejo issued an access token that no header can carry"));
        }
        let refresh_token = self
            .refresh_token
            .filter(|token| is_token(token))
            .map(SecretString::from)
            .or_else(|| old.cloned())
            .ok_or_else(|| Unreachable::because("Forgejo issued no refresh token"))?;
        let access_token = SecretString::from(self.access_token);
        let hints = TokenHints::of(&access_token);
        let said = self.expires_in.filter(|seconds| *seconds > 0).map(|seconds| seconds.saturating_mul(1000));
        let life = match (said, hints.life()) {
            (Some(said), Some(claimed)) => said.min(claimed),
            (Some(life), None) | (None, Some(life)) => life,
            (None, None) => UNKNOWN_LIFE_MS,
        };
        Ok(IssuedPair {
            access_token,
            refresh_token,
            expires_at: now.saturating_add(life),
            refreshed_at: now,
            grant_id: hints.grant_id,
        })
    }
}

fn is_token(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic())
}

// === impl TokenError ===

impl From<Unreachable> for TokenError {
    fn from(unreachable: Unreachable) -> Self {
        Self::Unreachable(unreachable)
    }
}

impl From<TokenError> for ExchangeError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Client(denial) => Self::ClientRejected(denial),
            // `invalid_request` "cannot proceed your request" is how one of two exchanges of a code loses.
            TokenError::Grant(denial) | TokenError::Other(denial) => Self::Refused(denial),
            TokenError::Unreachable(unreachable) => Self::Unreachable(unreachable),
        }
    }
}

impl From<TokenError> for RefreshError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Client(denial) => Self::ClientRejected(denial),
            TokenError::Grant(denial) => Self::Refused(denial),
            // Nothing that Forgejo says about a refresh token: it must not end a login.
            TokenError::Other(denial) => Self::Unreachable(Unreachable::because(denial.to_string())),
            TokenError::Unreachable(unreachable) => Self::Unreachable(unreachable),
        }
    }
}

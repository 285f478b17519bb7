//! Who sends a request, and with which rights.
//!
//! Forgejo's order, doors included: a form field or query parameter `token` or `access_token` goes before the Authorization
//! header; the Basic password or user name may be a token too.

use crate::{
    config::Profile,
    model::{
        State, UserState,
        account::User,
        credential::{Grant, PersonalToken},
    },
    oauth::jwt::BadToken,
    scope::ApiScope,
    site::Site,
    wire::Request,
};

/// Somebody who has shown a good credential.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) user: i64,
    /// The token's rights; `None` for a password, which has all.
    pub(crate) scope: Option<ApiScope>,
}

/// The text of the 401 that a bad credential gets.
#[derive(Debug)]
pub(crate) struct BadCredential(pub(crate) String);

/// Why a user whose credential is good may still do nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeldBack {
    NotActivated,
    Prohibited,
    MustChangePassword,
    TwoFactorMissing,
}

// === impl HeldBack ===

impl HeldBack {
    pub(crate) fn of(site: &Site, user: &User) -> Option<Self> {
        match user.state {
            UserState::Active => None,
            UserState::Deactivated if site.confirms_email() => Some(Self::NotActivated),
            UserState::Deactivated | UserState::Prohibited => Some(Self::Prohibited),
            UserState::MustChangePassword => Some(Self::MustChangePassword),
            UserState::TwoFactorMissing => site.profile().forces_two_factor().then_some(Self::TwoFactorMissing),
        }
    }

    /// The message of the API's 403.
    pub(crate) fn message(self, site: &Site) -> String {
        match self {
            Self::NotActivated => "This account is not activated.".to_owned(),
            Self::Prohibited => {
                "This account is prohibited from signing in, please contact your site administrator.".to_owned()
            }
            Self::MustChangePassword => {
                format!("You must change your password. Change it at: {}", site.url("user/settings/change_password"))
            }
            Self::TwoFactorMissing => {
                format!(
                    "You must enable two-factor authentication. Set it up at: {}",
                    site.url("user/settings/security")
                )
            }
        }
    }
}

/// The token that a request carries outside Basic, by Forgejo's precedence.
pub(crate) fn sent_token<'a>(site: &Site, request: &'a Request) -> Option<&'a str> {
    if !site.config.disable_query_auth_token {
        for name in ["token", "access_token"] {
            let value = request.form_value(name);
            if !value.is_empty() {
                return Some(value);
            }
        }
    }
    let mut words = request.header("authorization").split_whitespace();
    let (scheme, token) = (words.next()?, words.next()?);
    let is_token = if site.profile().token_scheme_in_lower_case_only() {
        scheme == "token"
    } else {
        scheme.eq_ignore_ascii_case("token")
    };
    (words.next().is_none() && (is_token || scheme.eq_ignore_ascii_case("bearer"))).then_some(token)
}

/// Who a token in query, form or header belongs to; `Ok(None)` when there is none.
pub(crate) fn of_token(site: &Site, state: &State, request: &Request) -> Result<Option<Identity>, BadCredential> {
    let Some(token) = sent_token(site, request) else {
        return Ok(None);
    };
    if !token.contains('.') {
        return match personal(state, token) {
            Some(identity) => Ok(Some(identity)),
            None => Err(BadCredential(format!("access token does not exist [sha: {token}]"))),
        };
    }
    match granted(site, state, token) {
        Ok(identity) => Ok(Some(identity)),
        Err(why) => Err(BadCredential(match (site.profile(), why) {
            (Profile::Main, Some(BadToken::Expired)) => {
                format!("token was expired\naccess token does not exist [sha: {token}]")
            }
            (Profile::Main, _) => {
                format!("user does not exist [uid: 0, name: ]\naccess token does not exist [sha: {token}]")
            }
            _ => "user does not exist [uid: 0, name: ]".to_owned(),
        })),
    }
}

/// Who sends a request: token, else Basic; `Ok(None)` is nobody.
pub(crate) fn of_request(site: &Site, state: &State, request: &Request) -> Result<Option<Identity>, BadCredential> {
    if let Some(identity) = of_token(site, state, request)? {
        return Ok(Some(identity));
    }
    let Some((name, password)) = request.basic() else {
        return Ok(None);
    };
    let token = if password.is_empty() || password == "x-oauth-basic" { &name } else { &password };
    if let Some(identity) = personal(state, token).or_else(|| granted(site, state, token).ok()) {
        return Ok(Some(identity));
    }
    let user = state.users.values().find(|user| {
        let named = user.login.eq_ignore_ascii_case(&name) || user.email.eq_ignore_ascii_case(&name);
        named && user.password == password
    });
    match user {
        Some(user) => Ok(Some(Identity { user: user.id, scope: None })),
        None => Err(BadCredential(format!("user does not exist [uid: 0, name: {name}]"))),
    }
}

fn personal(state: &State, value: &str) -> Option<Identity> {
    let is_it = |token: &&PersonalToken| token.value == value;
    let token = state.credentials.personal_tokens.iter().find(is_it)?;
    Some(Identity { user: token.user, scope: Some(ApiScope::of_personal_token(&token.scope)) })
}

/// The grant's scope is read at every call, not from the token.
fn granted(site: &Site, state: &State, token: &str) -> Result<Identity, Option<BadToken>> {
    let claims = site.signer.read(token, site.now()).map_err(Some)?;
    let grant: &Grant = state.credentials.grants.get(&claims.gnt).ok_or(None)?;
    if claims.tt != 0 || !state.users.contains_key(&grant.user) {
        return Err(None);
    }
    Ok(Identity { user: grant.user, scope: Some(ApiScope::of_grant(&grant.scope, site.profile())) })
}

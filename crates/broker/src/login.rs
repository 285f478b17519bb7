//! A login under way at Forgejo: how it begins, and what has to survive until the browser comes back, also across a restart.
//!
//! What a login is for stands in three places that have to agree: the name of the browser's cookie, the row's purpose, and the sealed
//! text. So a login to the account page can't complete an authorization, nor the reverse, although Forgejo sends both back to one address.

use axum::http::HeaderMap;
use axum::response::Response;
use oauth::authorize::AuthorizationRequest;
use oauth::pkce::OwnVerifier;
use oauth::scope::ScopeSet;
use oauth::token::{PlainToken, TokenHash, TokenKind};
use serde::{Deserialize, Serialize};
use store::authorizations::{NewAuthorization, Purpose};
use store::{KeyRing, StoreError};

use crate::app::App;
use crate::browser::{Cookies, add_cookie, see_other};
use crate::failure::Failure;

/// What a login is for, and our own verifier; stored sealed, bound to the state it belongs to.
#[derive(Serialize, Deserialize)]
pub(crate) struct PendingLogin {
    /// What comes after it.
    pub(crate) aim: Aim,
    /// PKCE verifier of the upstream leg.
    pub(crate) verifier: String,
}

/// What a login is for.
#[derive(Serialize, Deserialize)]
pub(crate) enum Aim {
    /// To answer a client.
    Authorize(Box<Consented>),
    /// To enter the account page.
    Account,
}

/// What the user consented to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Consented {
    /// The client's request, its scope lowered to what the user allows.
    pub(crate) request: AuthorizationRequest,
    /// The scope that the client asked for.
    pub(crate) asked: ScopeSet,
    /// Whether he wants to choose repositories after the login.
    pub(crate) choose: bool,
}

/// Begins a login: from here on there is something to protect, the state of the upstream leg, bound to this browser by a cookie of its own.
pub(crate) async fn begin(app: &App, aim: Aim) -> Result<Response, Failure> {
    let state = PlainToken::generate(TokenKind::State, app.random.as_ref())?;
    let browser = PlainToken::generate(TokenKind::Browser, app.random.as_ref())?;
    let verifier = OwnVerifier::generate(app.random.as_ref())?;
    let challenge = verifier.challenge();
    let (now, state_hash, purpose) = (app.clock.now(), state.hash(), aim.purpose());
    let pending = PendingLogin { aim, verifier: verifier.expose().to_owned() };
    let sealed = pending.seal(&state_hash, &app.keys).ok_or(Failure::Seal)?;
    let login = NewAuthorization {
        state_hash,
        browser_hash: browser.hash(),
        purpose,
        sealed_request: &sealed,
        created_at: now,
        expires_at: now.plus(app.policy.login_lifetime),
    };
    app.store.begin_authorization(&login).await?;
    let mut response = see_other(app.upstream.authorize_url(state.expose(), &challenge).as_str());
    let seconds = i64::try_from(app.policy.login_lifetime.as_secs()).unwrap_or(600);
    let name = app.cookies.login(purpose, &state_hash);
    add_cookie(&mut response, app.cookies.set(&name, browser.expose(), seconds));
    Ok(response)
}

/// A login that a browser has come back with. Taken out of the store: nobody else gets it.
pub(crate) struct Returned {
    pub(crate) pending: PendingLogin,
    /// Name of the cookie that has served its purpose.
    pub(crate) cookie: String,
}

/// Takes the login with this state, if this browser began it. `None` says no more than that there is none.
pub(crate) async fn take(app: &App, headers: &HeaderMap, state: &TokenHash) -> Result<Option<Returned>, StoreError> {
    for purpose in [Purpose::Authorize, Purpose::Account] {
        let cookie = app.cookies.login(purpose, state);
        let Some(browser) = Cookies::read(headers, &cookie) else { continue };
        let taken = app.store.take_authorization(state, &browser.hash(), purpose, app.clock.now()).await?;
        let pending = taken.and_then(|row| PendingLogin::open(&row.sealed_request, state, &app.keys));
        return Ok(pending
            .filter(|pending| pending.aim.purpose() == purpose)
            .map(|pending| Returned { pending, cookie }));
    }
    Ok(None)
}

// === impl Aim ===

impl Aim {
    fn purpose(&self) -> Purpose {
        match self {
            Self::Authorize(_) => Purpose::Authorize,
            Self::Account => Purpose::Account,
        }
    }
}

// === impl PendingLogin ===

impl PendingLogin {
    fn seal(&self, state: &TokenHash, keys: &KeyRing) -> Option<Vec<u8>> {
        let json = zeroize::Zeroizing::new(serde_json::to_vec(self).ok()?);
        keys.seal(&json, &associated_data(state)).ok()
    }

    fn open(sealed: &[u8], state: &TokenHash, keys: &KeyRing) -> Option<Self> {
        let json = keys.open(sealed, &associated_data(state)).ok()?;
        serde_json::from_slice(&json).ok()
    }
}

fn associated_data(state: &TokenHash) -> Vec<u8> {
    store::seal::row_aad("authorizations", "sealed_request", &hex::encode(state.as_bytes()))
}

//! OAuth2 applications, grants, tokens.

use crate::{
    model::credential::{App, Grant, PersonalToken},
    oauth,
    secret::{self, SecretKind},
    sim::RunningSim,
};

/// An OAuth2 application to be made.
#[derive(Clone, Debug)]
pub struct NewApp {
    name: String,
    redirect_uris: Vec<String>,
    confidential: bool,
    owner: Option<String>,
}

/// An OAuth2 application.
#[derive(Clone, PartialEq, Eq)]
pub struct OauthApp {
    /// Its number, as in the API's paths.
    pub id: i64,
    /// Its name, as on the consent page.
    pub name: String,
    /// A UUID.
    pub client_id: String,
    /// `gto_` and 52 characters; a public application has one too, but needs it nowhere.
    pub client_secret: String,
    /// Whether it has to show its secret.
    pub confidential: bool,
    /// Where it may send browsers.
    pub redirect_uris: Vec<String>,
}

/// A user's grant to an application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantInfo {
    /// The `gnt` of its tokens; a new one after a revocation.
    pub id: i64,
    /// The scope as first asked for.
    pub scope: String,
    /// The `cnt` of the only good refresh token.
    pub counter: i64,
    /// The nonce of the next id token.
    pub nonce: String,
    /// When it was made, in seconds since the Unix epoch.
    pub created: i64,
}

/// Tokens made without a browser.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenPair {
    /// Good for the configured life.
    pub access_token: String,
    /// The only good one of its grant, where the server invalidates refresh tokens.
    pub refresh_token: String,
}

// === impl NewApp ===

impl NewApp {
    /// A confidential application with one redirect URI, owned by nobody.
    #[must_use]
    pub fn new(name: impl Into<String>, redirect_uri: impl Into<String>) -> Self {
        Self { name: name.into(), redirect_uris: vec![redirect_uri.into()], confidential: true, owner: None }
    }

    /// With one more redirect URI.
    #[must_use]
    pub fn redirect_uri(mut self, uri: impl Into<String>) -> Self {
        self.redirect_uris.push(uri.into());
        self
    }

    /// Without a secret to show.
    #[must_use]
    pub fn public(mut self) -> Self {
        self.confidential = false;
        self
    }

    /// Owned by this user: deleting him deletes it.
    #[must_use]
    pub fn owner(mut self, login: impl Into<String>) -> Self {
        self.owner = Some(login.into());
        self
    }
}

// === impl RunningSim ===

#[expect(clippy::must_use_candidate, reason = "a lever is pulled for its effect")]
impl RunningSim {
    /// Makes an OAuth2 application.
    pub fn create_app(&self, new: NewApp) -> OauthApp {
        let mut state = self.site.state.lock();
        let owner = new.owner.as_deref().and_then(|login| state.owner_id(login));
        let app = App {
            id: state.next_id("application"),
            owner,
            name: new.name,
            client_id: secret::uuid(),
            client_secret: self.site.issue(SecretKind::ClientSecret, secret::base32("gto_")),
            confidential: new.confidential,
            redirect_uris: new.redirect_uris,
            created: self.site.now(),
        };
        let out = OauthApp::of(&app);
        state.credentials.apps.insert(app.id, app);
        out
    }

    /// An application by its client id.
    #[must_use]
    pub fn app(&self, client_id: &str) -> Option<OauthApp> {
        self.site.state.lock().credentials.app(client_id).map(OauthApp::of)
    }

    /// Deletes an application with all its grants.
    pub fn delete_app(&self, client_id: &str) -> bool {
        let mut state = self.site.state.lock();
        let id = state.credentials.app(client_id).map(|app| app.id);
        id.is_some_and(|id| state.credentials.remove_app(id))
    }

    /// Gives an application a new secret and answers it.
    pub fn rotate_client_secret(&self, client_id: &str) -> Option<String> {
        let mut state = self.site.state.lock();
        let id = state.credentials.app(client_id)?.id;
        let secret = self.site.issue(SecretKind::ClientSecret, secret::base32("gto_"));
        state.credentials.apps.get_mut(&id)?.client_secret.clone_from(&secret);
        Some(secret)
    }

    /// A user's grant to an application.
    #[must_use]
    pub fn grant(&self, login: &str, client_id: &str) -> Option<GrantInfo> {
        let state = self.site.state.lock();
        let (user, app) = (state.user(login)?.id, state.credentials.app(client_id)?.id);
        let grant = state.credentials.grant_of(user, app)?;
        Some(GrantInfo {
            id: grant.id,
            scope: grant.scope.clone(),
            counter: grant.counter,
            nonce: grant.nonce.clone(),
            created: grant.created,
        })
    }

    /// Revokes a grant, as the user does in his settings.
    pub fn revoke_grant(&self, login: &str, client_id: &str) -> bool {
        let mut state = self.site.state.lock();
        let place = state.user(login).map(|user| user.id).zip(state.credentials.app(client_id).map(|app| app.id));
        let grant = place.and_then(|(user, app)| state.credentials.grant_of(user, app)).map(|grant| grant.id);
        grant.is_some_and(|id| state.credentials.remove_grant(id))
    }

    /// Logs a user in to an application without a browser: as after a code exchange, with all that this does to earlier
    /// refresh tokens. An existing grant keeps its scope.
    pub fn grant_tokens(&self, login: &str, client_id: &str, scope: &str) -> Option<TokenPair> {
        let mut state = self.site.state.lock();
        let (user, app) = (state.user(login)?.id, state.credentials.app(client_id)?.id);
        let known = state.credentials.grant_of(user, app).map(|grant| grant.id);
        let id = known.unwrap_or_else(|| {
            let id = state.next_id("grant");
            let grant = Grant {
                id,
                user,
                app,
                scope: scope.to_owned(),
                nonce: String::new(),
                counter: 0,
                created: self.site.now(),
            };
            state.credentials.grants.insert(id, grant);
            id
        });
        let (access_token, refresh_token) = oauth::token::mint(&self.site, &mut state, id)?;
        Some(TokenPair { access_token, refresh_token })
    }

    /// Makes a personal access token with scopes such as `read:user` or `all`.
    pub fn create_personal_token(&self, login: &str, scopes: &[&str]) -> Option<String> {
        let mut state = self.site.state.lock();
        let user = state.user(login)?.id;
        let id = state.next_id("personal token");
        let value = self.site.issue(SecretKind::PersonalToken, secret::hex40());
        let token =
            PersonalToken { id, user, name: format!("token-{id}"), value: value.clone(), scope: scopes.join(",") };
        state.credentials.personal_tokens.push(token);
        Some(value)
    }
}

// === impl OauthApp ===

impl OauthApp {
    fn of(app: &App) -> Self {
        Self {
            id: app.id,
            name: app.name.clone(),
            client_id: app.client_id.clone(),
            client_secret: app.client_secret.clone(),
            confidential: app.confidential,
            redirect_uris: app.redirect_uris.clone(),
        }
    }
}

impl std::fmt::Debug for OauthApp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OauthApp").field("client_id", &self.client_id).field("name", &self.name).finish_non_exhaustive()
    }
}

// === impl TokenPair ===

impl std::fmt::Debug for TokenPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenPair").finish_non_exhaustive()
    }
}

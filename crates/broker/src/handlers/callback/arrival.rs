//! A user has come back from Forgejo, and it is known who he is: what becomes of it, by what the login was for.

use axum::http::{HeaderMap, HeaderValue};
use forgejo::credential_store::IssuedPair;
use forgejo::oauth_client::Identity;
use oauth::grant::GrantLimits;
use oauth::id::{GrantId, UserId};
use oauth::token::{PlainToken, TokenKind};
use store::logins::{CompletedLogin, NewCode, NewGrant, UpstreamLogin};

use super::Cause;
use crate::account::Visitor;
use crate::app::App;
use crate::audit::Entry;
use crate::choosing::begin_for_client;
use crate::login::Consented;
use crate::middleware::RequestId;
use crate::storage::credentials::new_credential;

/// A login that Forgejo has confirmed.
pub(super) struct Arrival<'a> {
    pub(super) pair: &'a IssuedPair,
    pub(super) identity: &'a Identity,
    pub(super) headers: &'a HeaderMap,
    pub(super) request_id: &'a RequestId,
}

/// Where the browser goes now.
pub(super) struct Onward {
    pub(super) target: String,
    pub(super) cookie: Option<HeaderValue>,
}

// === impl Arrival ===

impl Arrival<'_> {
    /// All repositories: grant and code come into being, and the client is told.
    pub(super) async fn authorize(&self, app: &App, consented: &Consented) -> Result<Onward, Cause> {
        let request = &consented.request;
        let own_code = PlainToken::generate(TokenKind::Code, app.random.as_ref())?;
        let grant = GrantId::generate(app.random.as_ref())?;
        let user_id_if_new = UserId::generate(app.random.as_ref())?;
        let upstream = self.upstream(app, &user_id_if_new);
        let login = CompletedLogin {
            grant: NewGrant {
                id: grant.clone(),
                client: &request.client,
                scope: request.scope,
                asked: consented.asked,
                limits: &GrantLimits::default(),
                resource: app.site.resource.as_str(),
            },
            code: NewCode {
                hash: own_code.hash(),
                code_challenge: &request.code_challenge,
                redirect_uri: request.redirect_uri.as_str(),
                expires_at: upstream.now.plus(app.policy.lifetimes.code),
            },
            upstream,
        };
        let completed = app.store.complete_login(&login).await?;
        app.login_completed(&completed).await;
        let entry = Entry {
            actor: Some(completed.user.as_str()),
            client: Some(request.client.as_str()),
            subject: Some(grant.as_str()),
            request_id: Some(self.request_id.as_str()),
            ..Entry::default()
        };
        app.audit.record("login", "ok", &entry);
        Ok(Onward { target: app.site.answer(request, &[("code", own_code.expose())]), cookie: None })
    }

    /// Chosen repositories: he is asked which, and nothing is granted before he has answered.
    pub(super) async fn choose(&self, app: &App, consented: Consented) -> Result<Onward, Cause> {
        let client = consented.request.client.clone();
        let user = self.enter(app).await?;
        let entry = Entry {
            actor: Some(user.as_str()),
            client: Some(client.as_str()),
            request_id: Some(self.request_id.as_str()),
            ..Entry::default()
        };
        app.audit.record("login", "chooses_repositories", &entry);
        let (target, cookie) = begin_for_client(app, user, &consented).await?;
        Ok(Onward { target, cookie })
    }

    /// The account page.
    pub(super) async fn enter_account(&self, app: &App) -> Result<Onward, Cause> {
        let user = self.enter(app).await?;
        let cookie = Visitor::enter(app, self.headers, user.clone()).await?;
        let entry =
            Entry { actor: Some(user.as_str()), request_id: Some(self.request_id.as_str()), ..Entry::default() };
        app.audit.record("account_login", "ok", &entry);
        Ok(Onward { target: format!("{}/account", app.site.issuer), cookie })
    }

    /// User and credential by the rules of every login: the new pair takes the old one's place and revives all his connections.
    async fn enter(&self, app: &App) -> Result<UserId, Cause> {
        let user_id_if_new = UserId::generate(app.random.as_ref())?;
        let completed = app.store.complete_account_login(&self.upstream(app, &user_id_if_new)).await?;
        app.login_completed(&completed).await;
        Ok(completed.user)
    }

    fn upstream<'a>(&'a self, app: &'a App, user_id_if_new: &'a UserId) -> UpstreamLogin<'a> {
        UpstreamLogin {
            user_id_if_new,
            issuer: app.upstream.issuer(),
            sub: &self.identity.sub,
            login: &self.identity.login,
            forgejo_id: self.identity.id,
            credential: new_credential(self.pair),
            now: app.clock.now(),
        }
    }
}

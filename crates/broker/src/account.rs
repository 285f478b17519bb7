//! Browsers that are logged in to the account page.
//!
//! The cookie is a random token of which only the hash is stored; every login makes a new one. A session ends when it was not used for
//! [`IDLE`], [`ABSOLUTE`] after its login at the latest, and when its user logs out. It allows to take away at any time; what gives a client more than
//! it has needs a login of the last [`RECENT`], so that whoever finds an open browser, or steals its cookie, can't hand out access.
//!
//! Whoever may not enter any more (`entry.rs`) loses his sessions with the next thing that he does in them. While nobody can be asked about
//! him he may go on: what he can do without a recent login only takes away.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue};
use oauth::clock::Timestamp;
use oauth::id::UserId;
use oauth::token::{PlainToken, TokenKind};
use store::StoreError;
use store::account_sessions::AccountSession;

use crate::app::App;
use crate::audit::Entry;
use crate::browser::{Cookies, csrf_admits, csrf_token};
use crate::entry::{Freshness, NotAdmitted, Refusal};
use crate::failure::Failure;

/// A session ends after this time without use.
pub(crate) const IDLE: Duration = Duration::from_mins(30);
/// A session ends this long after its login.
pub(crate) const ABSOLUTE: Duration = Duration::from_hours(8);
/// How old a login may be that gives a client more than it has.
pub(crate) const RECENT: Duration = Duration::from_mins(10);
/// Uses are written down at most this often.
const NOTED_EVERY: Duration = Duration::from_mins(1);

/// A logged-in browser.
pub(crate) struct Visitor {
    cookie: PlainToken,
    session: AccountSession,
}

/// Why it is not known who a browser is, or he is not received.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotReceived {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Refused(#[from] Refusal),
}

// === impl Visitor ===

impl Visitor {
    /// The session of the browser that sent these headers, if it has one. Using it puts off its end.
    pub(crate) async fn of(app: &App, headers: &HeaderMap) -> Result<Option<Self>, NotReceived> {
        let Some(cookie) = Cookies::read(headers, &app.cookies.account()) else { return Ok(None) };
        let now = app.clock.now();
        let Some(session) = app.store.account_session(&cookie.hash(), now).await? else { return Ok(None) };
        match app.entry.admit(&session.user.to_shared(), Freshness::Usual).await {
            Err(NotAdmitted::Refused(refusal)) => {
                app.store.end_account_session(&cookie.hash()).await?;
                let text = refusal.to_string();
                let entry = Entry { actor: Some(session.user.as_str()), detail: Some(&text), ..Entry::default() };
                app.audit.record("account_refused", refusal.as_str(), &entry);
                return Err(refusal.into());
            }
            Ok(()) | Err(NotAdmitted::LogInAgain | NotAdmitted::Unavailable { .. }) => {}
        }
        let end = end(&session, now);
        if end.since(session.expires_at) >= NOTED_EVERY {
            app.store.extend_account_session(&cookie.hash(), end, now).await?;
        }
        Ok(Some(Self { cookie, session }))
    }

    /// Begins a session for a user who has just logged in at Forgejo; its cookie. The session that this browser had ends.
    pub(crate) async fn enter(app: &App, headers: &HeaderMap, user: UserId) -> Result<Option<HeaderValue>, Failure> {
        let cookie = PlainToken::generate(TokenKind::Browser, app.random.as_ref())?;
        let now = app.clock.now();
        let session = AccountSession { user, created_at: now, expires_at: now.plus(IDLE) };
        let before = Cookies::read(headers, &app.cookies.account()).map(|before| before.hash());
        app.store.begin_account_session(&cookie.hash(), &session, before.as_ref()).await?;
        let seconds = i64::try_from(ABSOLUTE.as_secs()).unwrap_or(i64::MAX);
        Ok(app.cookies.set(&app.cookies.account(), cookie.expose(), seconds))
    }

    /// Ends the session; what removes its cookie.
    pub(crate) async fn leave(self, app: &App) -> Result<Option<HeaderValue>, StoreError> {
        app.store.end_account_session(&self.cookie.hash()).await?;
        Ok(app.cookies.set(&app.cookies.account(), "", 0))
    }

    /// Who it is.
    pub(crate) fn user(&self) -> &UserId {
        &self.session.user
    }

    /// The cookie that what is chosen in this session is bound to.
    pub(crate) fn cookie(&self) -> &PlainToken {
        &self.cookie
    }

    /// The token of the forms that this browser is shown.
    pub(crate) fn csrf(&self) -> String {
        csrf_token(&self.cookie)
    }

    /// Whether a form with this token is one of those.
    pub(crate) fn admits(&self, csrf: &str) -> bool {
        csrf_admits(&self.cookie, csrf)
    }

    /// Whether the login is recent enough to give a client more than it has.
    pub(crate) fn has_just_logged_in(&self, now: Timestamp) -> bool {
        now.since(self.session.created_at) <= RECENT
    }
}

/// When a session ends that is used now.
fn end(session: &AccountSession, now: Timestamp) -> Timestamp {
    now.plus(IDLE).min(session.created_at.plus(ABSOLUTE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> AccountSession {
        let created_at = Timestamp(0);
        AccountSession { user: "u".into(), created_at, expires_at: created_at.plus(IDLE) }
    }

    #[test]
    fn use_puts_off_the_end_but_not_beyond_the_absolute_limit() {
        let soon = Timestamp(0).plus(Duration::from_mins(20));
        assert_eq!(end(&session(), soon), soon.plus(IDLE));
        let late = Timestamp(0).plus(ABSOLUTE).minus(Duration::from_mins(1));
        assert_eq!(end(&session(), late), Timestamp(0).plus(ABSOLUTE));
    }

    #[test]
    fn a_login_is_recent_for_a_few_minutes_only() {
        let visitor = Visitor { cookie: PlainToken::presented("c"), session: session() };
        assert!(visitor.has_just_logged_in(Timestamp(0).plus(RECENT)));
        assert!(!visitor.has_just_logged_in(Timestamp(1).plus(RECENT)));
    }
}

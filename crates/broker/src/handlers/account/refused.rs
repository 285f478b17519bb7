//! Why a request to the account page is refused, for all of its addresses.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use forgejo::token_source::CredentialError;

use super::Notice;
use crate::account::NotReceived;
use crate::browser::see_other;
use crate::choosing::LookError;
use crate::entry::Refusal;
use crate::failure::{Failure, failures_of};
use crate::middleware::RequestId;
use crate::pages::ErrorPage;

/// Why nothing is shown or changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Cause {
    #[error("the form came from another site")]
    CrossSite,
    #[error("the form carries no valid CSRF token")]
    Csrf,
    #[error("the browser sent no cookie")]
    NoCookie,
    #[error("the browser is not logged in")]
    NotLoggedIn,
    #[error("the login is too old to give a client more")]
    LoginTooOld,
    #[error("this connection does not exist, has ended, or is somebody else's")]
    NoSuchConnection,
    #[error("this choice of repositories is over, or was begun in another browser")]
    NoSuchChoice,
    #[error("the client never asked for that much")]
    NotAsked,
    #[error("the form does not say what to change")]
    NoChange,
    #[error("the login at Forgejo has ended: {0}")]
    LoginDead(String),
    #[error("Forgejo: {0}")]
    Forgejo(String),
    #[error("{0}")]
    NotAllowed(Refusal),
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// A cause with the request it belongs to.
#[derive(Debug)]
pub(crate) struct RouteError {
    cause: Cause,
    request_id: RequestId,
}

// === impl Cause ===

impl Cause {
    pub(crate) fn of(self, request_id: RequestId) -> RouteError {
        RouteError { cause: self, request_id }
    }
}

failures_of!(Cause);

impl From<NotReceived> for Cause {
    fn from(error: NotReceived) -> Self {
        match error {
            NotReceived::Store(error) => error.into(),
            NotReceived::Refused(refusal) => Self::NotAllowed(refusal),
        }
    }
}

impl From<LookError> for Cause {
    fn from(error: LookError) -> Self {
        use forgejo::repositories::RepositoriesError;
        match error {
            LookError::Store(error) => error.into(),
            LookError::Forgejo(RepositoriesError::Credential(CredentialError::Dead(reason))) => Self::LoginDead(reason),
            LookError::Forgejo(error) => Self::Forgejo(error.to_string()),
        }
    }
}

impl IntoResponse for RouteError {
    fn into_response(self) -> Response {
        let text = self.cause.to_string();
        tracing::info!(request.id = self.request_id.as_str(), account.refusal = text, "refused at the account page");
        let back = "Go back to your account page and try again.";
        let (status, title, remedy) = match &self.cause {
            Cause::NotLoggedIn => return see_other(&Notice::LoginNeeded.at("/account")),
            Cause::LoginTooOld => return see_other(&Notice::LogInAgain.at("/account")),
            Cause::NoCookie => (
                StatusCode::BAD_REQUEST,
                "Your browser keeps no cookies for this site",
                "Allow cookies for this site, or open the page in your usual browser instead of one inside another application.",
            ),
            Cause::CrossSite | Cause::Csrf => (StatusCode::FORBIDDEN, "This form does not count", back),
            Cause::NotAsked => (
                StatusCode::FORBIDDEN,
                "The program has not asked for that",
                "Connect it anew if it should be able to change things: it then asks you for it.",
            ),
            Cause::NoChange => (StatusCode::BAD_REQUEST, "Nothing was changed", back),
            Cause::NoSuchConnection => {
                (StatusCode::NOT_FOUND, "This connection is not there", "Look at your account page for those that are.")
            }
            Cause::NoSuchChoice => (
                StatusCode::NOT_FOUND,
                "This choice is over",
                "Open the connection on your account page and choose again.",
            ),
            Cause::LoginDead(_) => (
                StatusCode::FORBIDDEN,
                "Your login at Forgejo has ended",
                "Log out of the account page and log in again; that revives your connections, too.",
            ),
            Cause::Forgejo(_) => {
                tracing::warn!(
                    error = text,
                    request.id = self.request_id.as_str(),
                    "the account page cannot ask Forgejo"
                );
                (
                    StatusCode::SERVICE_UNAVAILABLE,
                    "Forgejo does not answer",
                    "Try again in a minute. Nothing was changed.",
                )
            }
            Cause::NotAllowed(_) => (
                StatusCode::FORBIDDEN,
                "You may not use this server any more",
                "You are logged out here, and your connections rest. Ask the operator of this server to be let in again.",
            ),
            Cause::Failed(failure) => return failure.page("account", &self.request_id).into_response(),
        };
        let wrong = match &self.cause {
            Cause::Forgejo(_) => "Your repositories could not be looked up.".to_owned(),
            _ => format!("Reason: {text}."),
        };
        let request_id = self.request_id.as_str().to_owned();
        ErrorPage { status, title: title.to_owned(), wrong, remedy: remedy.to_owned(), request_id, link: None }
            .into_response()
    }
}

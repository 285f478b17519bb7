//! What goes wrong in the server itself behind a page: one text for people, one line for the operator, whichever page it was.

use axum::http::StatusCode;
use oauth::random::NoRandomness;
use store::StoreError;

use crate::middleware::RequestId;
use crate::pages::ErrorPage;

/// Nothing that the person in front of the page did.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
    #[error("what is to come back could not be sealed")]
    Seal,
}

/// Lets `?` turn what a [`Failure`] is made from into a cause with a variant `Failed`.
macro_rules! failures_of {
    ($cause:ty) => {
        impl From<store::StoreError> for $cause {
            fn from(error: store::StoreError) -> Self {
                Self::Failed(error.into())
            }
        }

        impl From<oauth::random::NoRandomness> for $cause {
            fn from(error: oauth::random::NoRandomness) -> Self {
                Self::Failed(error.into())
            }
        }
    };
}
pub(crate) use failures_of;

// === impl Failure ===

impl Failure {
    /// Tells the operator what went wrong at `page`, and whoever looks at it that something did.
    pub(crate) fn page(&self, page: &'static str, request_id: &RequestId) -> ErrorPage {
        tracing::error!(error = %self, page, request.id = request_id.as_str(), "a page failed");
        let (status, title, remedy) = match self {
            Self::Store(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "The server is not ready",
                "Try again in a minute. If you came from an application, start again there.",
            ),
            Self::Randomness(_) | Self::Seal => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "The server has a problem",
                "Tell the operator the request id below.",
            ),
        };
        ErrorPage {
            status,
            title: title.to_owned(),
            wrong: "The request could not be handled.".to_owned(),
            remedy: remedy.to_owned(),
            request_id: request_id.as_str().to_owned(),
            link: None,
        }
    }
}

//! The consent page: who asks, where the access goes, what it may do.

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::destination::Destination;
use super::{Forms, respond};
use crate::display::display_name;

/// Asks the user whether a client may act for him. Its form posts `request`, `csrf`, `access` (`write` or `read`) and `decision`
/// (`approve` or `deny`) to `/oauth/authorize`.
#[derive(Debug, Clone, Template)]
#[template(path = "consent.html")]
pub struct ConsentPage {
    /// Who asks.
    pub client: ClientShown,
    /// Where the authorization would be sent.
    pub destination: Destination,
    /// Forgejo's host, for people.
    pub forgejo_host: String,
    /// Whether the client asked for `write`; if not, only reading is offered.
    pub may_write: bool,
    /// The authorization request, sealed.
    pub request: String,
    /// The token that proves that the form is ours.
    pub csrf: String,
}

/// A client as the user is to see it. Names are shown by [`display_name`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientShown {
    /// Registered itself (RFC 7591): its name is whatever it said.
    Unverified {
        /// As registered.
        name: Option<String>,
    },
    /// Described by a document on this host, which therefore vouches for it.
    Published {
        /// As the document says.
        name: Option<String>,
        /// Host of the document, as parsed, in punycode.
        host: String,
    },
    /// Known from the operator's configuration.
    Registered {
        /// As configured.
        name: Option<String>,
    },
}

// === impl ClientShown ===

impl ClientShown {
    /// The name fit to be shown.
    #[must_use]
    pub fn name(&self) -> String {
        let (Self::Unverified { name } | Self::Published { name, .. } | Self::Registered { name }) = self;
        name.as_deref().and_then(display_name).unwrap_or_else(|| "a client without a name".to_owned())
    }
}

// === impl ConsentPage ===

impl IntoResponse for ConsentPage {
    fn into_response(self) -> Response {
        respond(StatusCode::OK, &self, Forms::Redirecting)
    }
}

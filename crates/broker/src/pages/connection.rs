//! One connection: what it may do, and how to change that.

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::consent::ClientShown;
use super::moment::Moment;
use super::repositories::RepositoryShown;
use super::{Forms, respond};

/// A grant as its user sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionShown {
    /// Its id.
    pub id: String,
    /// To whom it was given.
    pub client: ClientShown,
    /// Whether it may change things now.
    pub may_write: bool,
    /// Whether the client had asked to change things, so that the user can allow it.
    pub asked_to_write: bool,
    /// How many repositories it is limited to; `None` is all.
    pub repositories: Option<usize>,
    /// When it was given.
    pub created: Moment,
    /// When it was last used, if it was.
    pub last_used: Option<Moment>,
    /// MCP sessions that are open under it.
    pub sessions: u64,
}

/// Shows one connection. Its forms post `csrf` and `change` to its own address.
#[derive(Debug, Clone, Template)]
#[template(path = "connection.html")]
pub struct ConnectionPage {
    /// Who is logged in.
    pub login: String,
    /// Forgejo's host, for people.
    pub forgejo_host: String,
    /// The token that proves that a form is ours.
    pub csrf: String,
    /// What was just done; may be empty.
    pub notice: String,
    /// The connection.
    pub connection: ConnectionShown,
    /// The repositories that it is limited to.
    pub repositories: Vec<RepositoryShown>,
}

// === impl ConnectionShown ===

impl ConnectionShown {
    /// What it may do, in a few words.
    #[must_use]
    pub fn access(&self) -> &'static str {
        if self.may_write { "Read and change" } else { "Only read" }
    }

    /// Where it may do so, in a few words.
    #[must_use]
    pub fn reach(&self) -> String {
        match self.repositories {
            None => "all repositories that you can see".to_owned(),
            Some(1) => "1 chosen repository".to_owned(),
            Some(number) => format!("{number} chosen repositories"),
        }
    }

    /// How many sessions are open, in a few words.
    #[must_use]
    pub fn open(&self) -> String {
        match self.sessions {
            0 => "no open session".to_owned(),
            1 => "1 open session".to_owned(),
            number => format!("{number} open sessions"),
        }
    }
}

// === impl ConnectionPage ===

impl IntoResponse for ConnectionPage {
    fn into_response(self) -> Response {
        respond(StatusCode::OK, &self, Forms::Own)
    }
}

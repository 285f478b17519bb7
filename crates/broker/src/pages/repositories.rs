//! The page on which a user chooses repositories.

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::consent::ClientShown;
use super::{Forms, respond};
use crate::display::display_text;

/// Longest name shown: Forgejo allows 40 characters for the owner and 100 for the repository.
const LONGEST_NAME: usize = 150;
/// Longest description shown.
const LONGEST_DESCRIPTION: usize = 120;

/// Lets a user choose repositories. Its one form posts `csrf`, `q`, `repository` (each ticked id) and `step` or `page` to `action`.
#[derive(Debug, Clone, Template)]
#[template(path = "repositories.html")]
pub struct RepositoriesPage {
    /// What it is for.
    pub occasion: Occasion,
    /// For whom they are chosen.
    pub client: ClientShown,
    /// Whether it may change things.
    pub may_write: bool,
    /// Who is logged in.
    pub login: String,
    /// Forgejo's host, for people.
    pub forgejo_host: String,
    /// Where the form goes.
    pub action: String,
    /// The token that proves that the form is ours.
    pub csrf: String,
    /// What there is to say about the last step, or that Forgejo does not answer; may be empty.
    pub notice: String,
    /// What is ticked so far.
    pub chosen: Vec<RepositoryShown>,
    /// What was searched for.
    pub text: String,
    /// What was found and is not chosen yet.
    pub found: Vec<RepositoryShown>,
    /// How many there are, if Forgejo told.
    pub total: Option<u64>,
    /// The page of results before this one, if there is one.
    pub previous: Option<u32>,
    /// The page of results after this one, if there is one.
    pub next: Option<u32>,
}

/// What repositories are chosen for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// A client that is about to be let in.
    Connect,
    /// A connection that stands.
    Change,
}

/// A repository as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryShown {
    /// Forgejo's id.
    pub id: i64,
    /// `owner/name`.
    pub name: String,
    /// May be empty.
    pub description: String,
    /// Whether only some can see it.
    pub private: bool,
    /// Whether nobody can write to it.
    pub archived: bool,
}

// === impl RepositoryShown ===

impl RepositoryShown {
    /// A repository of which only the name is known.
    #[must_use]
    pub fn named(id: i64, name: &str) -> Self {
        let name = display_text(name, LONGEST_NAME).unwrap_or_else(|| format!("repository {id}"));
        Self { id, name, description: String::new(), private: false, archived: false }
    }

    /// With its description.
    #[must_use]
    pub fn described(mut self, description: &str) -> Self {
        self.description = display_text(description, LONGEST_DESCRIPTION).unwrap_or_default();
        self
    }
}

// === impl RepositoriesPage ===

impl RepositoriesPage {
    fn heading(&self) -> String {
        match self.chosen.len() {
            0 => "Nothing chosen yet".to_owned(),
            number => format!("Chosen ({number})"),
        }
    }
}

impl IntoResponse for RepositoriesPage {
    fn into_response(self) -> Response {
        let forms = match self.occasion {
            Occasion::Connect => Forms::Redirecting,
            Occasion::Change => Forms::Own,
        };
        respond(StatusCode::OK, &self, forms)
    }
}

//! `/`: what this is, and how to connect a client.

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::recipes::{Recipe, recipes};
use super::{Forms, respond};
use crate::config::{BaseUrl, PublicUrl};

/// Tells a visitor what this server is for and which address to give to his client.
#[derive(Debug, Clone, Template)]
#[template(path = "landing.html")]
pub struct LandingPage {
    mcp_url: String,
    forgejo_url: String,
    forgejo_host: String,
    recipes: Vec<Recipe>,
}

// === impl LandingPage ===

impl LandingPage {
    /// The page of the broker at `public_url` in front of `forgejo`.
    #[must_use]
    pub fn new(public_url: &PublicUrl, forgejo: &BaseUrl) -> Self {
        let mcp_url = public_url.mcp();
        Self {
            recipes: recipes(&mcp_url),
            mcp_url,
            forgejo_url: forgejo.as_str().to_owned(),
            forgejo_host: forgejo.host().to_owned(),
        }
    }
}

impl IntoResponse for LandingPage {
    fn into_response(self) -> Response {
        respond(StatusCode::OK, &self, Forms::None)
    }
}

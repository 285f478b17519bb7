//! Authorization requests (OAuth 2.1 §4.1.1; oauth.md §4.2).

use std::borrow::Cow;

use crate::client::Client;
use crate::error::ErrorCode;
use crate::id::ClientId;
use crate::pkce::CodeChallenge;
use crate::redirect_uri::{AllowList, RedirectUri};
use crate::resource::Resource;
use crate::scope::ScopeSet;

/// Longest accepted `state`, in bytes.
pub const MAX_STATE: usize = 4096;

/// The parameters of an authorization request, each at most once. Unknown ones are ignored, empty ones count as absent (OAuth 2.1 §3.1).
#[derive(Debug, Clone, Default)]
pub struct Parameters {
    response_type: Option<String>,
    client_id: Option<String>,
    redirect_uri: Option<String>,
    scope: Option<String>,
    state: Option<String>,
    code_challenge: Option<String>,
    code_challenge_method: Option<String>,
    resources: Vec<String>,
    repeated: Option<&'static str>,
}

/// A request that has passed every check, ready to be shown to the user. Travels sealed inside the consent form.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct AuthorizationRequest {
    /// Who asks.
    pub client: ClientId,
    /// Where the answer goes, exactly as requested.
    pub redirect_uri: RedirectUri,
    /// What is asked for.
    pub scope: ScopeSet,
    /// Echoed unchanged.
    pub state: Option<String>,
    /// PKCE.
    pub code_challenge: CodeChallenge,
}

/// Why a request is refused, and thereby who is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Client or redirect URI are not established: only the user is told, on a page (OAuth 2.1 §4.1.2.1).
    Page(PageReason),
    /// The client may be told at its redirect URI.
    Redirect {
        /// The established redirect URI.
        redirect_uri: RedirectUri,
        /// Echoed unchanged.
        state: Option<String>,
        /// `error`.
        code: ErrorCode,
        /// `error_description`.
        description: String,
    },
}

/// Why only a page can be shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PageReason {
    /// No `client_id`.
    #[error("the request names no client_id")]
    NoClient,
    /// One of the parameters that establish the client came twice.
    #[error("the parameter {0} was sent more than once")]
    Repeated(&'static str),
    /// The redirect URI is not one that the client registered.
    #[error("the client has not registered the address {0}")]
    RedirectUri(String),
    /// None was sent, and not exactly one is registered.
    #[error("the request names no redirect_uri")]
    NoRedirectUri,
}

// === impl Parameters ===

impl Parameters {
    /// Reads decoded query or form pairs.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (Cow<'a, str>, Cow<'a, str>)>) -> Self {
        let mut read = Self::default();
        for (name, value) in pairs {
            if value.is_empty() {
                continue;
            }
            let (slot, name) = match name.as_ref() {
                "response_type" => (&mut read.response_type, "response_type"),
                "client_id" => (&mut read.client_id, "client_id"),
                "redirect_uri" => (&mut read.redirect_uri, "redirect_uri"),
                "scope" => (&mut read.scope, "scope"),
                "state" => (&mut read.state, "state"),
                "code_challenge" => (&mut read.code_challenge, "code_challenge"),
                "code_challenge_method" => (&mut read.code_challenge_method, "code_challenge_method"),
                "resource" => {
                    read.resources.push(value.into_owned());
                    continue;
                }
                _ => continue,
            };
            if slot.is_some() {
                read.repeated.get_or_insert(name);
            } else {
                *slot = Some(value.into_owned());
            }
        }
        read
    }

    /// The client that is named, before anything is known of it.
    ///
    /// # Errors
    /// [`PageReason`] when none is named, or two are.
    pub fn client_id(&self) -> Result<ClientId, PageReason> {
        match self.repeated {
            Some(name @ ("client_id" | "redirect_uri")) => Err(PageReason::Repeated(name)),
            _ => self.client_id.as_deref().map(ClientId::from).ok_or(PageReason::NoClient),
        }
    }

    /// Judges the request against the client that it names.
    ///
    /// # Errors
    /// [`Refusal`] says what is wrong and who is told.
    pub fn judge(
        self,
        client: &Client,
        allowed: &AllowList,
        resource: &Resource,
    ) -> Result<AuthorizationRequest, Refusal> {
        self.client_id().map_err(Refusal::Page)?;
        let registered: Vec<_> =
            client.metadata.redirect_uris.iter().filter_map(|uri| RedirectUri::parse(uri, allowed).ok()).collect();
        let redirect_uri = RedirectUri::select(&registered, self.redirect_uri.as_deref()).ok_or_else(|| {
            Refusal::Page(self.redirect_uri.clone().map_or(PageReason::NoRedirectUri, PageReason::RedirectUri))
        })?;
        let state = self.state.clone().filter(|state| state.len() <= MAX_STATE);
        let refuse = |code, description: String| {
            Err(Refusal::Redirect { redirect_uri: redirect_uri.clone(), state: state.clone(), code, description })
        };
        if let Some(name) = self.repeated {
            return refuse(ErrorCode::InvalidRequest, format!("{name} was sent more than once"));
        }
        if state.is_none() && self.state.is_some() {
            return refuse(ErrorCode::InvalidRequest, format!("state is longer than {MAX_STATE} bytes"));
        }
        if self.response_type.as_deref() != Some("code") {
            return match self.response_type {
                None => {
                    refuse(ErrorCode::InvalidRequest, "response_type is missing; send response_type=code".to_owned())
                }
                Some(_) => {
                    refuse(ErrorCode::UnsupportedResponseType, "only response_type=code is supported".to_owned())
                }
            };
        }
        let challenge = CodeChallenge::requested(self.code_challenge.as_deref(), self.code_challenge_method.as_deref());
        let code_challenge = match challenge {
            Ok(challenge) => challenge,
            Err(reason) => return refuse(ErrorCode::InvalidRequest, reason.to_string()),
        };
        let scope = match ScopeSet::requested(self.scope.as_deref()) {
            Ok(scope) => scope,
            Err(reason) => return refuse(ErrorCode::InvalidScope, reason.to_string()),
        };
        if let Err(reason) = resource.judge(self.resources.iter().map(String::as_str)) {
            return refuse(ErrorCode::InvalidTarget, reason.to_string());
        }
        Ok(AuthorizationRequest { client: client.id.clone(), redirect_uri, scope, state, code_challenge })
    }
}

#[cfg(test)]
mod tests;

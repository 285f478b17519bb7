//! Dynamic client registration (RFC 7591; oauth.md §5.1). Every client that registers is public.

use serde::Deserialize;

use crate::client::{Client, ClientMetadata, TokenEndpointAuthMethod};
use crate::error::ErrorCode;
use crate::redirect_uri::{AllowList, InvalidRedirectUri, RedirectUri};

/// Most redirect URIs that are kept of one registration.
pub const MAX_REDIRECT_URIS: usize = 20;
/// Longest text member that is kept, in characters.
pub const MAX_TEXT: usize = 200;

/// Why a registration is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not a JSON object of the right shape.
    #[error("the body is not a client metadata document: {0}")]
    Malformed(String),
    /// No redirect URIs.
    #[error("redirect_uris is missing or empty")]
    NoRedirectUri,
    /// More than [`MAX_REDIRECT_URIS`].
    #[error("at most {MAX_REDIRECT_URIS} redirect_uris are accepted")]
    TooManyRedirectUris,
    /// Not one of them is acceptable.
    #[error("none of the redirect_uris is acceptable: {uri}: {reason}")]
    RedirectUri {
        /// The first of them.
        uri: String,
        /// What is wrong with it.
        reason: InvalidRedirectUri,
    },
    /// Grant types without `authorization_code`.
    #[error("grant_types must contain authorization_code")]
    GrantTypes,
    /// Response types without `code`.
    #[error("response_types must contain code")]
    ResponseTypes,
}

/// The document that answers a registration (RFC 7591 §3.2.1).
#[derive(Debug, serde::Serialize)]
pub struct RegistrationResponse {
    client_id: String,
    client_id_issued_at: i64,
    token_endpoint_auth_method: &'static str,
    grant_types: [&'static str; 2],
    response_types: [&'static str; 1],
    #[serde(flatten)]
    metadata: ClientMetadata,
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    redirect_uris: Vec<String>,
    #[serde(default)]
    grant_types: Option<Vec<String>>,
    #[serde(default)]
    response_types: Option<Vec<String>>,
    #[serde(default)]
    client_name: Option<String>,
    #[serde(default)]
    client_uri: Option<String>,
    #[serde(default)]
    application_type: Option<String>,
    #[serde(default)]
    software_id: Option<String>,
    #[serde(default)]
    software_version: Option<String>,
}

/// Judges a registration request. A bad redirect URI is dropped if a good one remains, because real clients send several at once
/// (clients.md pain 10). Members that we have no use for are ignored.
///
/// # Errors
/// [`Refusal`] says what is wrong.
pub fn judge(body: &[u8], allowed: &AllowList) -> Result<ClientMetadata, Refusal> {
    // By way of a map, because serde would also take an array, member by member.
    let members: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(body).map_err(|error| Refusal::Malformed(error.to_string()))?;
    let document: Document =
        serde_json::from_value(members.into()).map_err(|error| Refusal::Malformed(error.to_string()))?;
    if document.redirect_uris.is_empty() {
        return Err(Refusal::NoRedirectUri);
    }
    if document.redirect_uris.len() > MAX_REDIRECT_URIS {
        return Err(Refusal::TooManyRedirectUris);
    }
    if document.grant_types.is_some_and(|types| !types.is_empty() && !types.iter().any(|t| t == "authorization_code")) {
        return Err(Refusal::GrantTypes);
    }
    if document.response_types.is_some_and(|types| !types.is_empty() && !types.iter().any(|t| t == "code")) {
        return Err(Refusal::ResponseTypes);
    }
    let mut good = Vec::new();
    let mut first_bad = None;
    for uri in document.redirect_uris {
        match RedirectUri::parse(&uri, allowed) {
            Ok(_) if good.contains(&uri) => {}
            Ok(_) => good.push(uri),
            Err(reason) => {
                first_bad.get_or_insert((uri, reason));
            }
        }
    }
    if let (true, Some((uri, reason))) = (good.is_empty(), first_bad) {
        return Err(Refusal::RedirectUri { uri: cap(uri), reason });
    }
    Ok(ClientMetadata {
        redirect_uris: good,
        client_name: document.client_name.map(cap),
        client_uri: document.client_uri.map(cap),
        application_type: document.application_type.map(cap),
        software_id: document.software_id.map(cap),
        software_version: document.software_version.map(cap),
        token_endpoint_auth_method: TokenEndpointAuthMethod::None,
    })
}

fn cap(text: String) -> String {
    if text.chars().count() <= MAX_TEXT { text } else { text.chars().take(MAX_TEXT).collect() }
}

// === impl Refusal ===

impl Refusal {
    /// The code of RFC 7591 §3.2.2.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::NoRedirectUri | Self::TooManyRedirectUris | Self::RedirectUri { .. } => ErrorCode::InvalidRedirectUri,
            Self::Malformed(_) | Self::GrantTypes | Self::ResponseTypes => ErrorCode::InvalidClientMetadata,
        }
    }
}

// === impl RegistrationResponse ===

impl RegistrationResponse {
    /// What a registered client is told. `none` is answered whatever was asked.
    #[must_use]
    pub fn of(client: &Client) -> Self {
        Self {
            client_id: client.id.to_string(),
            client_id_issued_at: client.created_at.seconds(),
            token_endpoint_auth_method: "none",
            grant_types: ["authorization_code", "refresh_token"],
            response_types: ["code"],
            metadata: client.metadata.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn register(body: &str) -> Result<ClientMetadata, Refusal> {
        judge(body.as_bytes(), &AllowList::default())
    }

    #[test]
    fn one_bad_uri_is_dropped_if_a_good_one_remains() {
        // Cursor sends all three in one request (clients.md §2).
        let metadata = register(
            r#"{"client_name":"Cursor","redirect_uris":["cursor://anysphere.cursor-mcp/oauth/callback",
                "https://www.cursor.com/agents/mcp/oauth/callback","http://localhost:8787/callback"]}"#,
        )
        .unwrap();
        assert_eq!(
            metadata.redirect_uris,
            ["https://www.cursor.com/agents/mcp/oauth/callback", "http://localhost:8787/callback"]
        );
    }

    #[test]
    fn a_registration_without_any_good_uri_says_what_is_wrong_with_the_first() {
        let refusal = register(r#"{"redirect_uris":["http://evil.example/cb"]}"#).unwrap_err();
        assert_eq!(refusal.code(), ErrorCode::InvalidRedirectUri);
        assert!(refusal.to_string().contains("use https"), "{refusal}");
    }

    #[test]
    fn unknown_members_and_any_auth_method_are_accepted() {
        let body = r#"{"redirect_uris":["http://127.0.0.1:1/callback"],"token_endpoint_auth_method":"client_secret_basic",
            "scope":"a b","logo_uri":"https://x.example/l.png","contacts":["a@b"],"grant_types":["authorization_code"],"x":{"y":1}}"#;
        assert!(register(body).is_ok());
    }

    #[test]
    fn what_is_no_code_flow_client_is_refused() {
        let body = r#"{"redirect_uris":["https://a.example/"],"grant_types":["client_credentials"]}"#;
        assert_eq!(register(body), Err(Refusal::GrantTypes));
        assert!(matches!(register("[]"), Err(Refusal::Malformed(_))));
        assert_eq!(register("{}"), Err(Refusal::NoRedirectUri));
    }

    #[test]
    fn names_are_cut_to_a_length_that_a_page_can_show() {
        let body = format!(r#"{{"redirect_uris":["https://a.example/"],"client_name":"{}"}}"#, "ä".repeat(5000));
        assert_eq!(register(&body).unwrap().client_name.unwrap().chars().count(), MAX_TEXT);
    }
}

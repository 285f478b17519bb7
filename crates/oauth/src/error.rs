//! Error codes of OAuth, as they go over the wire.

use std::fmt;

/// `error` values of RFC 6749 §4.1.2.1 and §5.2, RFC 6750 §3.1, RFC 7591 §3.2.2 and RFC 8707 §2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// Malformed, or a parameter is missing or repeated.
    InvalidRequest,
    /// Unknown client, or its authentication failed.
    InvalidClient,
    /// Code or refresh token unknown, expired, revoked, used, or of another client.
    InvalidGrant,
    /// The client may not use this grant type.
    UnauthorizedClient,
    /// Neither `authorization_code` nor `refresh_token`.
    UnsupportedGrantType,
    /// Not `code`.
    UnsupportedResponseType,
    /// No known scope is left.
    InvalidScope,
    /// `resource` names something else than this server.
    InvalidTarget,
    /// The user said no.
    AccessDenied,
    /// Something of ours failed.
    ServerError,
    /// Something of ours is away for the moment.
    TemporarilyUnavailable,
    /// A bearer token that does not serve (RFC 6750).
    InvalidToken,
    /// A bearer token that allows too little (RFC 6750).
    InsufficientScope,
    /// No acceptable redirect URI (RFC 7591).
    InvalidRedirectUri,
    /// Metadata that cannot be accepted (RFC 7591).
    InvalidClientMetadata,
}

// === impl ErrorCode ===

impl ErrorCode {
    /// The code as the RFCs spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::AccessDenied => "access_denied",
            Self::ServerError => "server_error",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
            Self::InvalidRedirectUri => "invalid_redirect_uri",
            Self::InvalidClientMetadata => "invalid_client_metadata",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

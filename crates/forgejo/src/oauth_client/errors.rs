//! What can go wrong at Forgejo, sorted by what it says about the user: nothing ([`Unreachable`]), or something for good.

/// There was no answer that says anything about the user: transport failure, time-out, 5xx, 429, a redirect, a page where JSON is due.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Unreachable {
    /// For the operator's log.
    pub reason: String,
    /// Seconds that Forgejo, or a proxy before it, asked us to wait.
    pub retry_after: Option<u32>,
}

/// What Forgejo's token endpoint said, cleaned for display.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error}: {description}")]
pub struct Denial {
    /// The code, as `unauthorized_client`.
    pub error: String,
    /// Forgejo's text.
    pub description: String,
}

/// Why a code was not redeemed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeError {
    /// The code is not good (any more), or the application is configured wrongly: Forgejo says `unauthorized_client` for both
    /// ([`Denial::hint`]). The login has to begin anew.
    #[error("Forgejo did not accept the authorization code ({0})")]
    Refused(Denial),
    /// Forgejo does not know our application: the operator's business.
    #[error("Forgejo does not accept this broker's OAuth application ({0}): check client id and secret")]
    ClientRejected(Denial),
    /// No answer that says anything.
    #[error("Forgejo gave no usable answer at the code exchange: {0}")]
    Unreachable(Unreachable),
}

/// Why there is no new pair.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefreshError {
    /// The refresh token is not good any more: rotated out, expired, or the grant is gone. If nobody else has a newer one, the
    /// user must log in again.
    #[error("Forgejo did not accept the refresh token ({0})")]
    Refused(Denial),
    /// Forgejo does not know our application, or our secret: the operator's business, and no fault of the user's.
    #[error("Forgejo does not accept this broker's OAuth application ({0}): check client id and secret")]
    ClientRejected(Denial),
    /// No answer that says anything.
    #[error("Forgejo gave no usable answer at the refresh: {0}")]
    Unreachable(Unreachable),
}

/// Why a user may not use Forgejo although his token is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockReason {
    /// The account waits for its activation.
    NotActivated,
    /// Deactivated, or sign-in forbidden, by an administrator.
    Prohibited,
    /// A new password is due.
    MustChangePassword,
    /// Two-factor authentication is required and not set up.
    TwoFactorRequired,
    /// Something else; see the text.
    Other,
}

/// A user whom Forgejo keeps out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Blocked {
    /// Why, as far as Forgejo's text tells.
    pub reason: BlockReason,
    /// Forgejo's text, cleaned for display, or ours where Forgejo only shows a page.
    pub message: String,
}

/// Why it is not known whose token it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// 401: the token is expired, or the grant is gone.
    #[error("Forgejo does not accept the token: {0}")]
    TokenRejected(String),
    /// The token is good, the user may not use Forgejo.
    #[error("Forgejo does not let this user in: {0}")]
    Blocked(Blocked),
    /// No answer that says anything.
    #[error("Forgejo gave no usable answer about the user: {0}")]
    Unreachable(Unreachable),
}

/// Why the granted scope is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IntrospectionError {
    /// 401: client id or secret is wrong.
    #[error("Forgejo does not accept this broker's OAuth application at introspection: check client id and secret")]
    ClientRejected,
    /// The token is not good.
    #[error("Forgejo says that the token is not active")]
    Inactive,
    /// No answer that says anything.
    #[error("Forgejo gave no usable answer at introspection: {0}")]
    Unreachable(Unreachable),
}

/// Why the version is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// 401 or 403: the token is not good, its user blocked, or Forgejo shows nothing to strangers.
    #[error("Forgejo does not tell its version: {0}")]
    Refused(String),
    /// No answer that says anything.
    #[error("Forgejo gave no usable answer about its version: {0}")]
    Unreachable(Unreachable),
}

// === impl Unreachable ===

impl Unreachable {
    pub(super) fn because(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), retry_after: None }
    }
}

// === impl Denial ===

impl Denial {
    /// What the operator should look at, where Forgejo's text gives it away.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        let said = |text: &str| self.description.contains(text);
        if said("client secret") || self.error == "invalid_client" {
            Some("the OAuth client id or secret is not the one of the application in Forgejo")
        } else if said("redirect") {
            Some("the redirect URI is not registered with the application in Forgejo, character by character")
        } else if said("PKCE") {
            Some("the verifier does not belong to this login")
        } else {
            None
        }
    }
}

// === impl BlockReason ===

impl BlockReason {
    /// Told from Forgejo's text. Only words for the user depend on it.
    pub(super) fn of(message: &str) -> Self {
        let message = message.to_ascii_lowercase();
        if message.contains("not activated") {
            Self::NotActivated
        } else if message.contains("prohibited") {
            Self::Prohibited
        } else if message.contains("change your password") || message.contains("change_password") {
            Self::MustChangePassword
        } else if message.contains("two-factor") || message.contains("2fa") || message.contains("two factor") {
            Self::TwoFactorRequired
        } else {
            Self::Other
        }
    }
}

//! What a stand-in is started with.
//!
//! A [`Profile`] chooses a server and with it every measured difference; the single switches exist for
//! tests about one of these differences.

use std::{net::SocketAddr, time::Duration};

use crate::clock::SimClock;

/// Which server the stand-in behaves like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Forgejo 11.0.15 with default settings, as measured.
    #[default]
    V11,
    /// Forgejo 15.0.3, from its source.
    V15,
    /// Forgejo's main branch (17.0.0-dev), from its source.
    Main,
    /// Gitea as of 2026, from its source.
    Gitea,
}

/// Size of the RSA key that signs tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeySize {
    /// 2048 bits: tokens of about 520 characters, as measured on 11.0.15.
    #[default]
    Rsa2048,
    /// 4096 bits: tokens of about 860 characters.
    Rsa4096,
}

/// What is in the stand-in at its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Seed {
    /// Only the built-in public OAuth2 applications.
    #[default]
    Empty,
    /// Users alice, bob and root, an organisation, repositories with issues, pull requests and releases.
    Demo,
}

/// Everything a stand-in needs to start.
#[derive(Clone, Debug)]
pub struct SimConfig {
    /// Which server to behave like.
    pub profile: Profile,
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// `ROOT_URL` of the server; `None` is `http://ADDRESS:PORT/`. With a path, only requests below that path are served.
    pub root_url: Option<String>,
    /// The clock that token lifetimes are measured by.
    pub clock: SimClock,
    /// Initial content.
    pub seed: Seed,
    /// Size of the signing key; one key per size and process.
    pub key_size: KeySize,
    /// `[oauth2] ACCESS_TOKEN_EXPIRATION_TIME`.
    pub access_token_life: Duration,
    /// `[oauth2] REFRESH_TOKEN_EXPIRATION_TIME`.
    pub refresh_token_life: Duration,
    /// `[oauth2] INVALIDATE_REFRESH_TOKENS`; `None` is the profile's default (false for Gitea only).
    pub invalidate_refresh_tokens: Option<bool>,
    /// `[service] REGISTER_EMAIL_CONFIRM`: decides the API's text for a deactivated user. `None` is off for v11 (as measured), on elsewhere.
    pub register_email_confirm: Option<bool>,
    /// `[security] DISABLE_QUERY_AUTH_TOKEN`: refuse tokens in query and form.
    pub disable_query_auth_token: bool,
    /// False shows servers before 11.0.11 / 14.0.3 / 15.0.0, which accepted any verifier for an S256 challenge.
    pub check_s256: bool,
    /// Life of an authorization code; `None` is the profile's (never expires, Gitea 10 minutes).
    pub code_life: Option<Duration>,
}

// === impl SimConfig ===

impl Default for SimConfig {
    fn default() -> Self {
        Self {
            profile: Profile::default(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            root_url: None,
            clock: SimClock::system(),
            seed: Seed::default(),
            key_size: KeySize::default(),
            access_token_life: Duration::from_hours(1),
            refresh_token_life: Duration::from_hours(730),
            invalidate_refresh_tokens: None,
            register_email_confirm: None,
            disable_query_auth_token: false,
            check_s256: true,
            code_life: None,
        }
    }
}

// === impl Profile ===

impl Profile {
    /// The text of `GET /api/v1/version`.
    #[must_use]
    pub const fn version(self) -> &'static str {
        match self {
            Self::V11 => "11.0.15+gitea-1.22.0",
            Self::V15 => "15.0.3+gitea-1.22.0",
            Self::Main => "17.0.0-dev-812-4ab6fb8f1d+gitea-1.22.0",
            Self::Gitea => "1.26.2",
        }
    }

    /// Name of the login session's cookie.
    #[must_use]
    pub const fn session_cookie(self) -> &'static str {
        match self {
            Self::V11 | Self::Gitea => "i_like_gitea",
            Self::V15 | Self::Main => "session",
        }
    }

    /// Whether web forms need the hidden `_csrf` field; otherwise Origin and Sec-Fetch-Site are judged.
    #[must_use]
    pub const fn csrf_in_forms(self) -> bool {
        matches!(self, Self::V11 | Self::Gitea)
    }

    /// Whether the issuer of the discovery document ends in a slash.
    pub(crate) const fn issuer_ends_in_slash(self) -> bool {
        matches!(self, Self::V11)
    }

    /// Whether the Authorization scheme `token` is taken in lower case only.
    pub(crate) const fn token_scheme_in_lower_case_only(self) -> bool {
        matches!(self, Self::V11)
    }

    /// Whether a user who must have a second factor is held back.
    pub(crate) const fn forces_two_factor(self) -> bool {
        matches!(self, Self::V15 | Self::Main)
    }

    /// Whether userinfo asks about the user's state at all.
    pub(crate) const fn userinfo_checks_state(self) -> bool {
        !matches!(self, Self::Main)
    }
}

//! The OAuth2 provider: `login/oauth/*` and the discovery document.

pub(crate) mod authorize;
pub(crate) mod consent;
pub(crate) mod discovery;
pub(crate) mod introspect;
pub(crate) mod jwt;
pub(crate) mod race;
pub(crate) mod token;
pub(crate) mod userinfo;

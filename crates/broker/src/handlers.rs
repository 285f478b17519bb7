//! One endpoint, one file: the request it takes, its `RouteError`, and what it does.

pub(crate) mod absent;
pub(crate) mod account;
pub(crate) mod authorize;
pub(crate) mod callback;
pub(crate) mod consent;
pub(crate) mod discovery;
pub(crate) mod health;
pub(crate) mod hop;
pub(crate) mod landing;
pub(crate) mod mcp;
pub(crate) mod oauth_error;
pub(crate) mod ready;
pub(crate) mod register;
pub(crate) mod repositories;
pub(crate) mod revoke;
pub(crate) mod token;

//! The rules of OAuth 2.1 that the broker lives by, as types and pure functions.
//!
//! Nothing here does I/O: every rule can be read beside its RFC and tested without a runtime. Time and randomness come in
//! as parameters.
#![forbid(unsafe_code)]

pub mod authorize;
pub mod client;
pub mod client_assertion;
pub mod client_document;
pub mod clock;
pub mod code;
pub mod error;
pub mod grant;
pub mod id;
pub mod metadata;
pub mod pkce;
pub mod random;
pub mod redirect_uri;
pub mod refresh;
pub mod registration;
pub mod resource;
pub mod scope;
pub mod token;
pub mod token_request;

//! The pages that a person sees, and the downloads beside the API.

pub(crate) mod archive;
pub(crate) mod browse;
pub(crate) mod download;
pub(crate) mod login;
pub(crate) mod page;
pub(crate) mod session;
pub(crate) mod settings;

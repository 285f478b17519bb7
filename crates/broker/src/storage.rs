//! The storage that other rooms ask for by trait, on the store.

pub(crate) mod credentials;
pub(crate) mod sessions;

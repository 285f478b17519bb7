//! The built server, driven over its pipes in either era, so that what fails through the broker is not the server's.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod both;
mod child;
mod legacy;
mod listens;
mod modern;
mod rounds;
mod wire;

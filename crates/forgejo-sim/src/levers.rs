//! What tests change behind the server's back: methods of [`RunningSim`](crate::RunningSim).
//!
//! Levers that name something answer `None` or `false` when it is not there.

mod content;
mod credentials;
mod people;

pub use credentials::{GrantInfo, NewApp, OauthApp, TokenPair};
pub use people::{Account, NewUser};

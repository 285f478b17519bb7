//! Drives the built program over its pipes, against a small stand-in for Forgejo's API.

#![expect(clippy::unwrap_used, reason = "a broken test setup should say so at once")]

mod child;
mod faults;
mod forgejo;
mod messages;
mod protocol;
mod start;

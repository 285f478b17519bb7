//! Whole scenarios through the public face: a scripted worker in memory on one side, a client's requests on the other.
#![forbid(unsafe_code)]
#![expect(clippy::expect_used, reason = "this is a test program")]

mod house;

mod batches;
mod calls;
mod endings;
mod initialize;
mod limits;
mod sessionless;
mod sessions;
mod storm;
mod streams;
mod workers;

//! Whole scenarios through the public face: a scripted worker in memory on one side, a client's requests on the other.
#![forbid(unsafe_code)]
#![expect(clippy::expect_used, reason = "this is a test program")]

mod house;

mod batches;
mod calls;
mod endings;
mod eras;
mod initialize;
mod limits;
mod modern;
mod native;
mod replicas;
mod sessionless;
mod sessions;
mod sessions_bytes;
mod stateless;
mod storm;
mod streams;
mod tools;
mod warm;
mod workers;

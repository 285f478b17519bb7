//! A PostgreSQL that lives as long as the test that needs it: Debian's programs, a data folder in the system's folder for temporary files,
//! 127.0.0.1 on a free port.
//!
//! [`shared`] is one cluster for all tests of a process, in which each makes itself a place of its own ([`Cluster::schema`]). A test that stops the server, cuts it off
//! or has its own settings takes a [`Cluster`] of its own. PostgreSQL refuses to run as root, so it runs as another user then. A
//! watchman, who waits for the end of a pipe that only the test's process holds open, ends the server and removes the folder, also if that
//! process is killed.

mod cluster;
mod pooler;
mod programs;

pub use cluster::{Cluster, Error, Place, shared};
pub use pooler::Pooler;

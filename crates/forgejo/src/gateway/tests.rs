//! The gateway over real sockets, in front of a Forgejo that records what reaches it and behaves as measured.

mod adopted;
mod chosen;
mod doors;
mod downloads;
mod fake;
mod forms;
mod identity;
mod limits;
mod lines;
mod pool;
mod requests;
mod start;
mod streams;

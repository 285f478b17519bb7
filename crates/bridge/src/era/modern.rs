//! The stateless protocol (2026-07-28): not served, and said so in the way that makes a client of both eras go on with
//! `initialize`, which is any 4xx without one of the error codes of that revision (mcp.md §4, §6).

pub(crate) mod request;

use crate::envelope::{Incoming, RawId};
use crate::refusal::{METHOD_NOT_FOUND, Refusal};
use crate::reply::Reply;

pub(crate) fn refuse(incoming: &Incoming) -> Reply {
    match incoming {
        Incoming::One(message) => {
            let text = "this server speaks the revisions 2025-03-26, 2025-06-18 and 2025-11-25; begin with initialize";
            let id = message.id();
            Refusal::new(400, METHOD_NOT_FOUND, "modern_request", text).reply(id.as_ref().map(RawId::as_bytes))
        }
        Incoming::Batch(_) => Refusal::invalid("a request of 2026-07-28 can't be in a batch").reply(None),
    }
}

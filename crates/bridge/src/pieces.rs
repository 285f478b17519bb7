//! The pieces of a call's way that `make instructions` counts, reachable by themselves (feature `pieces`).
//!
//! Each takes what a worker or client sends and gives back a number, so that nothing of it can be left out by a compiler.

use std::sync::Arc;

use bytes::Bytes;

use crate::access::{AccessIssuer, WorkerAccess};
use crate::envelope::{Bounds, Incoming, Message, read_line, read_post};
use crate::frame::{Line, LineReader};
use crate::replica::Lease;
use crate::reply::Principal;
use crate::scrub::{Scrubber, Scrubbing};

/// What a client posts: read, judged, and written again under another id.
#[must_use]
pub fn request(body: &Bytes) -> usize {
    read_post(body, Bounds { depth: 64, batch: 16 }).map_or(0, |incoming| under_another_id(&incoming))
}

/// A line of a worker: read, and written again under the client's id.
#[must_use]
pub fn answer(line: &Bytes) -> usize {
    read_line(line).map_or(0, |incoming| under_another_id(&incoming))
}

/// The bytes that a worker prints, cut into lines.
pub async fn lines(printed: &[u8]) -> usize {
    let mut reader = LineReader::new(printed, printed.len());
    let mut found = 0;
    while let Ok(Line::Whole(line)) = reader.next().await {
        found += line.len();
    }
    found
}

/// What is replaced in a worker's lines.
pub struct Scrub(Scrubber);

/// A worker's access with an address and a token of the usual lengths; it leads nowhere.
pub struct Access;

// === impl Scrub ===

impl Scrub {
    /// For a worker with an address and a token of the usual lengths.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it stands for one worker, not for a default")]
    pub fn new() -> Self {
        let access: Arc<dyn WorkerAccess> = Arc::new(Access);
        Self(Scrubbing::default().of(&access))
    }

    /// A line as others may see it.
    #[must_use]
    pub fn line(&self, line: &Bytes) -> usize {
        self.0.scrub(line.clone()).len()
    }
}

// === impl Access ===

impl AccessIssuer for Access {
    fn open(&self) -> Arc<dyn WorkerAccess> {
        Arc::new(Self)
    }
}

impl WorkerAccess for Access {
    fn url(&self) -> &'static str {
        "http://127.0.0.1:40123"
    }
    fn token(&self) -> &'static str {
        "fjb_wk_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"
    }
    fn public_url(&self) -> &'static str {
        "https://forge.example"
    }
    fn assign(&self, _: &Principal) {}
    fn only_under(&self, _: Arc<dyn Lease>) {}
    fn revoke(&self) {}
    fn ready(&self) {}
}

fn under_another_id(incoming: &Incoming) -> usize {
    match incoming {
        Incoming::One(message) => message.with_id(b"4711", None).len(),
        Incoming::Batch(messages) => messages.iter().map(Message::bytes).map(Bytes::len).sum(),
    }
}

//! Resource subscriptions: a worker has one set of them, the listens of a grant share it (mcp.md, trap 12).

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::json;
use tokio::time::sleep;

use crate::envelope::Kind;
use crate::shared::Shared;

/// Between attempts to have a worker for those who listen.
const RETRY: Duration = Duration::from_secs(30);

/// What the present worker has been asked to watch.
#[derive(Default)]
pub(crate) struct Subscriptions {
    held: Mutex<BTreeSet<String>>,
    /// One changes them at a time.
    turn: tokio::sync::Mutex<()>,
}

/// What is left to do.
enum Step {
    Done,
    More,
    /// There is no worker at present.
    Later,
}

// === impl Subscriptions ===

impl Subscriptions {
    /// A fresh worker is about to be told these.
    pub(crate) fn begin(&self, uris: BTreeSet<String>) {
        *self.held.lock() = uris;
    }
}

/// Brings the worker's subscriptions to what the listens want, in the background.
pub(crate) fn reconcile(shared: &Arc<Shared>) {
    let shared = Arc::downgrade(shared);
    tokio::spawn(async move {
        loop {
            match step(&shared).await {
                Step::Done => return,
                Step::More => {}
                Step::Later => sleep(RETRY).await,
            }
        }
    });
}

/// One change.
async fn step(shared: &Weak<Shared>) -> Step {
    let Some(shared) = shared.upgrade() else { return Step::Done };
    let translation = shared.translation();
    let _turn = translation.subscriptions.turn.lock().await;
    let wanted = translation.listens.uris();
    let worker = if wanted.is_empty() {
        match shared.seat().running() {
            Some(worker) => worker,
            None => return Step::Done,
        }
    } else {
        match shared.seat().worker().await {
            Ok(worker) => worker,
            Err(failure) => {
                tracing::warn!(reason = %failure.refusal().message, "no worker for those who listen to resources");
                return Step::Later;
            }
        }
    };
    let (method, uri) = {
        let mut held = translation.subscriptions.held.lock();
        if let Some(uri) = wanted.difference(&held).next().cloned() {
            held.insert(uri.clone());
            ("resources/subscribe", uri)
        } else if let Some(uri) = held.difference(&wanted).next().cloned() {
            held.remove(&uri);
            ("resources/unsubscribe", uri)
        } else {
            return Step::Done;
        }
    };
    let params = json!({ "uri": uri }).to_string();
    let answer = worker.ask(method, Some(params.as_bytes()), shared.call_deadline()).await;
    if !answer.is_ok_and(|answer| answer.kind() == (Kind::Response { error: false })) {
        tracing::warn!(worker.label = %worker.label, mcp.method = method, "the worker did not take it");
    }
    Step::More
}

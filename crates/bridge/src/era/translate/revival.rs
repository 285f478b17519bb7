//! A worker has come in the place of another: those who listen are told what is not as it was.

use std::sync::Arc;

use super::Kind;
use crate::era::modern::request::Method;
use crate::session_id::sha256;
use crate::shared::Shared;
use crate::worker::Worker;

/// `replaced` if the worker's program is another version.
pub(crate) fn revived(shared: &Arc<Shared>, worker: &Arc<Worker>, replaced: bool) {
    for (kind, method) in [
        (Kind::Tools, Method::ToolsList),
        (Kind::Prompts, Method::PromptsList),
        (Kind::Resources, Method::ResourcesList),
    ] {
        let translation = shared.translation();
        if replaced {
            translation.lists.forget(kind);
            translation.listens.have_changed(kind);
        } else if translation.listens.want(kind)
            && let Some(before) = translation.lists.first_page(method)
        {
            compare(shared, worker, kind, method, sha256(&before));
        }
    }
}

/// Nobody has heard what changed while no worker ran.
fn compare(shared: &Arc<Shared>, worker: &Arc<Worker>, kind: Kind, method: Method, before: [u8; 32]) {
    let (shared, worker) = (shared.clone(), worker.clone());
    tokio::spawn(async move {
        let listed = worker.ask(method.name(), None, shared.call_deadline()).await;
        let now = listed.ok().and_then(|answer| answer.result()).map(|list| sha256(&list));
        if now.is_some_and(|now| now != before) {
            shared.translation().lists.forget(kind);
            shared.translation().listens.have_changed(kind);
        }
    });
}

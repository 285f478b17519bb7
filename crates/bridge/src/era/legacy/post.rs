//! POST: one message, or a batch of 2025-03-26.

use std::sync::Arc;

use super::calls::{Caller, Calls};
use super::{WITH_BATCHES, check_version};
use crate::envelope::{Incoming, Kind, Message, RawId};
use crate::refusal::Refusal;
use crate::reply::{PostHead, Principal, Reply};
use crate::speech::Tongue;
use crate::supervisor::Supervisor;
use crate::tools::ToolDesk;

pub(crate) async fn post(supervisor: &Arc<Supervisor>, who: &Principal, head: PostHead, incoming: Incoming) -> Reply {
    let id = only_id(&incoming);
    match handle(supervisor, who, head, incoming).await {
        Ok(reply) => reply,
        Err(refusal) => {
            supervisor.shop().refused(&refusal);
            refusal.reply(id.as_ref().map(RawId::as_bytes))
        }
    }
}

async fn handle(
    supervisor: &Arc<Supervisor>,
    who: &Principal,
    head: PostHead,
    incoming: Incoming,
) -> Result<Reply, Refusal> {
    check_version(head.protocol_version.as_deref())?;
    supervisor.admit_to_session(who, head.via)?;
    if let Incoming::One(message) = &incoming
        && is_initialize(message)
    {
        // Whatever session the client had: this begins another.
        return Box::pin(supervisor.create(who, message)).await;
    }
    let (caller, tongue) = match &head.session_id {
        Some(id) => {
            // First of all: an unknown session is no reason to start anything.
            let session = supervisor.find(who, id, head.via).await?;
            (Caller::Session(session), supervisor.shop().speech_at_hand().await?.for_legacy())
        }
        None => match supervisor.shop().speech_at_hand().await?.for_shared() {
            Tongue::Handshake => (Caller::Shared(supervisor.shared(who)?), Tongue::Handshake),
            Tongue::Stateless => (Caller::Native(supervisor.native(who)?), Tongue::Stateless),
        },
    };
    let is_request = |message: &Message| message.kind() == Kind::Request;
    let (requests, others, batch) = match incoming {
        Incoming::One(message) if is_request(&message) => (vec![message], Vec::new(), false),
        Incoming::One(message) => (Vec::new(), vec![message], false),
        Incoming::Batch(messages) => {
            check_batch(&caller, &head, &messages)?;
            let (requests, others) = messages.into_iter().partition(is_request);
            (requests, others, true)
        }
    };
    // What is wrong with a request is found before anything of the batch is forwarded.
    let calls = Calls::prepare(supervisor.shop(), who, &caller, tongue, requests, batch)?;
    for message in others.iter().filter(|message| ToolDesk::lets_pass(message)) {
        caller.take(message);
    }
    Ok(calls.run(supervisor.shop(), &caller).await)
}

/// Trap 18.
fn check_batch(caller: &Caller, head: &PostHead, messages: &[Message]) -> Result<(), Refusal> {
    let negotiated = match caller {
        Caller::Session(session) => session.protocol_version() == WITH_BATCHES,
        // Without a session and a header the revision is 2025-03-26 (T60).
        Caller::Shared(_) | Caller::Native(_) => {
            head.protocol_version.as_deref().is_none_or(|version| version == WITH_BATCHES)
        }
    };
    if !negotiated {
        return Err(Refusal::invalid("batches are only in revision 2025-03-26; send one message per request"));
    }
    if messages.iter().any(is_initialize) {
        return Err(Refusal::invalid("initialize can't be in a batch"));
    }
    Ok(())
}

fn is_initialize(message: &Message) -> bool {
    message.kind() == Kind::Request && message.method() == "initialize"
}

/// The id that a refusal of the whole POST answers to.
pub(crate) fn only_id(incoming: &Incoming) -> Option<RawId> {
    match incoming {
        Incoming::One(message) if message.kind() == Kind::Request => message.id(),
        _ => None,
    }
}

//! GET: the one server stream of a session, or the rest of a POST's stream after a lost connection (T42, T45).

use std::sync::Arc;

use super::{WITH_PRIMING, check_version};
use crate::exchange::events;
use crate::refusal::Refusal;
use crate::reply::{GetHead, Principal, Reply};
use crate::session::Session;
use crate::supervisor::Supervisor;

pub(crate) async fn get(supervisor: &Arc<Supervisor>, who: &Principal, head: GetHead) -> Reply {
    match handle(supervisor, who, head).await {
        Ok(reply) => reply,
        Err(refusal) => {
            supervisor.shop().refused(&refusal);
            refusal.reply(None)
        }
    }
}

async fn handle(supervisor: &Arc<Supervisor>, who: &Principal, head: GetHead) -> Result<Reply, Refusal> {
    check_version(head.protocol_version.as_deref())?;
    supervisor.admit_to_session(who, head.via)?;
    let Some(id) = &head.session_id else {
        return Err(no_stream("there is a stream only for a session; send Mcp-Session-Id"));
    };
    let session = supervisor.find(who, id, head.via).await?;
    let (log, after) = match head.last_event_id.as_deref() {
        None => (session.server_stream().clone(), None),
        Some(event) => match session.find_event(event) {
            Some((log, number)) if log.continues_after(number) => (log, Some(number)),
            // Events of an earlier life are gone; the server stream itself goes on.
            None if Session::is_of_server_stream(event) => (session.server_stream().clone(), None),
            // Not an empty stream: a client would come back for it again and again.
            _ => {
                return Err(no_stream("nothing follows this event; the call is answered or its answer is lost"));
            }
        },
    };
    let shop = supervisor.shop();
    let guard = shop.tally.stream(&who.user, shop.config.max_streams_per_user).ok_or_else(|| {
        Refusal::too_many("user_streams", 5, "too many streams of this user are open; close one and try again")
    })?;
    let tail = log.attach(after);
    let primed = session.protocol_version().as_str() >= WITH_PRIMING;
    Ok(Reply::events(events(tail, guard, log.first_frame(primed))))
}

fn no_stream(text: &str) -> Refusal {
    Refusal::new(405, crate::refusal::UNAVAILABLE, "no_stream", text)
}

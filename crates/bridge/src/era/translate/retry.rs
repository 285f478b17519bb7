//! A client comes back with what it was asked (R04 to R08).

use std::sync::Arc;

use tokio::time::Instant;

use super::asking::Resumed;
use crate::call::Ticket;
use crate::envelope::Object;
use crate::era::modern::request::Request;
use crate::exchange::Exchange;
use crate::refusal::{INVALID_PARAMS, Refusal};
use crate::request_state::Binding;
use crate::shared::Shared;
use crate::worker::Worker;

/// Goes on with the call that `state`, a raw `requestState`, stands for.
pub(super) fn retry(shared: &Shared, request: &Request, state: &[u8], exchange: &Arc<Exchange>) {
    if let Err(refusal) = try_retry(shared, request, state, exchange) {
        shared.shop().observer.refused(refusal.label);
        exchange.refuse(request.id.as_bytes(), &refusal);
    }
}

fn try_retry(shared: &Shared, request: &Request, state: &[u8], exchange: &Arc<Exchange>) -> Result<(), Refusal> {
    let shop = shared.shop();
    let raw = request.message.param("inputResponses").map(|(_, raw)| raw);
    let answers = match &raw {
        None => None,
        Some(raw) => Some(read_answers(raw)?),
    };
    let ticket = shop.tally.call(&request.who.user, shop.config.max_calls_per_user).ok_or_else(|| {
        Refusal::too_many("user_calls", 1, "too many calls of this user are open; try again when one has ended")
    })?;
    let state: String = serde_json::from_slice(state).map_err(|_| no_good_state())?;
    let binding = Binding::new(&request.who.grant, &request.message);
    let state = shop.vault.open(&binding, &state).map_err(|_| no_good_state())?;
    let number = state.first_chunk().copied().map(u64::from_be_bytes).ok_or_else(no_good_state)?;
    let asking = shared.translation().recall(number).ok_or_else(no_good_state)?;
    let resume = |worker: &Worker, number: u64| {
        let mut pending = worker.pending().lock();
        let Some(call) = pending.call_mut(number) else { return false };
        call.exchange = exchange.clone();
        call.id = request.id.clone();
        call.token = request.message.progress_token();
        call.ticket = Some(Ticket::new(ticket, None));
        if let Some(terms) = &mut call.terms {
            terms.capabilities = request.capabilities.clone();
            terms.log_level = request.log_level;
            terms.asking = None;
        }
        asking.unpark();
        pending.postpone(number, Instant::now() + shop.config.now().call_deadline);
        true
    };
    let resumed = asking.back(answers.as_ref(), exchange, &request.id, resume);
    let Some(worker) = asking.worker() else { return Ok(()) };
    match resumed {
        Resumed::GoesOn(given) => {
            if let Some(level) = request.log_level {
                shared.translation().level.raise(&worker, level);
            }
            for (number, answer) in given {
                worker.answer_question_with(number, &answer);
            }
            // The client may have left this moment.
            if exchange.log().is_closed() {
                worker.cancel_exchange(exchange);
            }
        }
        Resumed::AskAgain(given) => {
            for (number, answer) in given {
                worker.answer_question_with(number, &answer);
            }
            asking.begin_again(shared);
            let number = shared.translation().remember(&asking);
            let state = shop.vault.seal(&binding, &number.to_be_bytes()).ok_or_else(no_good_state)?;
            exchange.answer(asking.input_required(&request.id, &state, shared));
        }
        Resumed::Over => {}
    }
    worker.deadlines_changed();
    Ok(())
}

/// Checked before the state is used up, so that a client can mend it.
fn read_answers(raw: &[u8]) -> Result<Object<'_>, Refusal> {
    let malformed = |text: &str| Refusal::in_band(INVALID_PARAMS, "bad_input_responses", text);
    let answers = Object::from_bytes(raw).ok_or_else(|| malformed("\"inputResponses\" has to be an object"))?;
    if answers.iter().any(|(_, answer)| !answer.starts_with('{')) {
        return Err(malformed("every member of \"inputResponses\" has to be an object: the result of what was asked"));
    }
    Ok(answers)
}

/// One sentence for all that can be wrong with it: it is nobody's business which.
fn no_good_state() -> Refusal {
    let text = "this requestState is unknown, has been used, has expired, or belongs to another request; send the request \
                again without it";
    Refusal::in_band(INVALID_PARAMS, "bad_request_state", text)
}

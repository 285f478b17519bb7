//! Revisions with `initialize`: 2024-11-05 to 2025-11-25.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::capabilities::Capabilities;
use crate::dialogue::{Dialogue, Interruption, Live};
use crate::fault::Fault;
use crate::features::{self, Feature, resources};
use crate::house::House;
use crate::level::Level;
use crate::message::{Members, Request};
use crate::visit::{Visit, Voice};

const VERSIONS: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];
const LATEST: &str = "2025-11-25";

/// Answers `initialize`: the version asked for if it is known, else the latest (T71).
pub(crate) fn initialize(house: &House, params: &Members) -> Result<Value, Fault> {
    let Some(wanted) = params.get("protocolVersion").and_then(Value::as_str) else {
        return Err(Fault::invalid_params("`protocolVersion` is missing"));
    };
    let Some(capabilities) = params.get("capabilities").and_then(Capabilities::read) else {
        return Err(Fault::invalid_params("`capabilities` is missing"));
    };
    let version = VERSIONS.into_iter().find(|version| *version == wanted).unwrap_or(LATEST);
    house.session.open(capabilities);
    Ok(json!({
        "protocolVersion": version,
        "capabilities": features::capabilities(),
        "serverInfo": features::server_info(),
        "instructions": features::INSTRUCTIONS,
    }))
}

/// Answers any other request.
pub(crate) async fn answer(house: &Arc<House>, request: &Request) -> Result<Value, Fault> {
    let Request { method, params, .. } = request;
    if method == "ping" {
        return Ok(json!({}));
    }
    let Some(task) = task(method) else {
        return Err(Fault::unknown_method(method));
    };
    if !house.session.is_open() {
        return Err(Fault::invalid_request("not initialized: the first request is `initialize`"));
    }
    let feature = match task {
        Task::SetLevel => return set_level(house, params),
        Task::Subscribe => return subscription(params, |uri| house.session.subscribe(uri)),
        Task::Unsubscribe => return subscription(params, |uri| house.session.unsubscribe(uri)),
        Task::Feature(feature) => feature,
    };
    let live = Live::new(house.session.capabilities(), Arc::clone(&house.asks), house.outbox.clone());
    let meta = params.get("_meta").unwrap_or(&Value::Null);
    let visit = Visit {
        house: Arc::clone(house),
        dialogue: Dialogue::Live(live),
        voice: Voice {
            outbox: house.outbox.clone(),
            progress_token: meta.get("progressToken").cloned(),
            threshold: Some(house.session.level()),
        },
        modern: false,
    };
    match feature.answer(params, visit).await {
        Ok(result) => Ok(result),
        Err(Interruption::Fault(fault)) => Err(fault),
        // What a tool can't do is a result that says so; elsewhere there is no such result.
        Err(Interruption::Unanswered(why)) if feature == Feature::CallTool => Ok(features::tools::failure(&why)),
        Err(Interruption::Unanswered(why)) => Err(Fault::internal(why)),
        Err(Interruption::InputRequired { .. }) => {
            Err(Fault::internal("there is no input-required result before 2026-07-28"))
        }
    }
}

enum Task {
    SetLevel,
    Subscribe,
    Unsubscribe,
    Feature(Feature),
}

fn task(method: &str) -> Option<Task> {
    Some(match method {
        "logging/setLevel" => Task::SetLevel,
        "resources/subscribe" => Task::Subscribe,
        "resources/unsubscribe" => Task::Unsubscribe,
        _ => Task::Feature(Feature::of(method)?),
    })
}

fn set_level(house: &House, params: &Members) -> Result<Value, Fault> {
    let level = params.get("level").and_then(Value::as_str).and_then(Level::read);
    house.session.set_level(level.ok_or_else(|| Fault::invalid_params("`level` is none of the log levels"))?);
    Ok(json!({}))
}

fn subscription(params: &Members, change: impl FnOnce(&str)) -> Result<Value, Fault> {
    let uri = params.get("uri").and_then(Value::as_str).ok_or_else(|| Fault::invalid_params("`uri` is missing"))?;
    if !resources::exists(uri) {
        return Err(Fault::no_resource(uri, false));
    }
    change(uri);
    Ok(json!({}))
}

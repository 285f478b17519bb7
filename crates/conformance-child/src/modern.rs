//! Revision 2026-07-28: every request stands alone (mcp.md §3.8 to §3.11).

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde_json::{Value, json};

use crate::capabilities::Capabilities;
use crate::dialogue::{Dialogue, Interruption, Rounds};
use crate::fault::Fault;
use crate::features::{self, Feature};
use crate::house::{self, Filter, House};
use crate::level::Level;
use crate::message::{self, Id, Members, Request};
use crate::visit::{Visit, Voice};

const VERSION: &str = "2026-07-28";
const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES_KEY: &str = "io.modelcontextprotocol/clientCapabilities";
const LEVEL_KEY: &str = "io.modelcontextprotocol/logLevel";
const SERVER_INFO_KEY: &str = "io.modelcontextprotocol/serverInfo";

/// Milliseconds for which lists, and what they name, may be kept; a change is notified of anyway (D02, D06).
const TTL_MS: u64 = 60_000;

/// What a request says of itself.
struct Claims {
    capabilities: Capabilities,
    level: Option<Level>,
    progress_token: Option<Value>,
}

/// Whether a request says that it is of this era.
pub(crate) fn claims(params: &Members) -> bool {
    params.get("_meta").is_some_and(|meta| meta.get(VERSION_KEY).is_some())
}

/// Answers a request; `None` if the answer comes when its subscription ends.
pub(crate) async fn answer(house: &Arc<House>, request: &Request) -> Option<Result<Value, Fault>> {
    let Request { id, method, params } = request;
    let claims = match Claims::read(method, params) {
        Ok(claims) => claims,
        Err(fault) => return Some(Err(fault)),
    };
    match method.as_str() {
        "server/discover" => Some(Ok(completed(discovery(), Some("public")))),
        "subscriptions/listen" => listen(house, id, params).await.err().map(Err),
        _ => Some(match Feature::of(method) {
            Some(feature) => feature_answer(house, request, feature, claims).await,
            None => Err(Fault::unknown_method(method)),
        }),
    }
}

/// The response with which we end a listen (L05).
pub(crate) fn end_of_listen(id: &Id) -> Value {
    let mut meta = house::tag(id);
    meta[SERVER_INFO_KEY] = features::server_info();
    message::result(id, &json!({ "resultType": "complete", "_meta": meta }))
}

async fn feature_answer(
    house: &Arc<House>,
    request: &Request,
    feature: Feature,
    claims: Claims,
) -> Result<Value, Fault> {
    let params = &request.params;
    let rounds = Rounds::read(params, subject(request), claims.capabilities, Arc::clone(&house.seal))?;
    let visit = Visit {
        house: Arc::clone(house),
        dialogue: Dialogue::Rounds(rounds),
        voice: Voice { outbox: house.outbox.clone(), progress_token: claims.progress_token, threshold: claims.level },
        modern: true,
    };
    match feature.answer(params, visit).await {
        Ok(result) => Ok(completed(result, feature.cache_scope())),
        Err(Interruption::Fault(fault)) => Err(fault),
        Err(Interruption::InputRequired { requests, state }) => {
            let mut result = json!({ "resultType": "input_required", "inputRequests": requests });
            if let Some(state) = state {
                result["requestState"] = state.into();
            }
            Ok(identified(result))
        }
        Err(Interruption::Unanswered(why)) => Err(Fault::internal(why)),
    }
}

/// What a `requestState` is good for: this method with this name and these arguments.
fn subject(request: &Request) -> Value {
    let about =
        json!([request.method, request.params.get("name"), request.params.get("uri"), request.params.get("arguments")]);
    BASE64.encode(digest(&SHA256, about.to_string().as_bytes())).into()
}

fn discovery() -> Value {
    json!({
        "supportedVersions": [VERSION],
        "capabilities": features::capabilities(),
        "instructions": features::INSTRUCTIONS,
    })
}

async fn listen(house: &House, id: &Id, params: &Members) -> Result<(), Fault> {
    let Some(wanted) = params.get("notifications").and_then(Value::as_object) else {
        return Err(Fault::invalid_params("`notifications` is not an object"));
    };
    let filter = Filter::read(wanted).map_err(Fault::invalid_params)?;
    let acknowledged = json!({ "_meta": house::tag(id), "notifications": filter.acknowledged() });
    house.outbox.send(message::notification("notifications/subscriptions/acknowledged", &acknowledged)).await;
    house.listens.open(id.clone(), filter);
    Ok(())
}

/// A result that is all there is (M02, D02).
fn completed(mut result: Value, cache_scope: Option<&str>) -> Value {
    result["resultType"] = "complete".into();
    if let Some(scope) = cache_scope {
        result["ttlMs"] = TTL_MS.into();
        result["cacheScope"] = scope.into();
    }
    identified(result)
}

/// M05.
fn identified(mut result: Value) -> Value {
    result["_meta"] = json!({ SERVER_INFO_KEY: features::server_info() });
    result
}

// === impl Claims ===

impl Claims {
    /// Checks `_meta` (M03, M13, G02). clientInfo is no business of ours (M04).
    fn read(method: &str, params: &Members) -> Result<Self, Fault> {
        let meta = params.get("_meta").unwrap_or(&Value::Null);
        let Some(version) = meta.get(VERSION_KEY) else {
            return Err(match params.get("protocolVersion") {
                // A legacy client has no other way to learn what it met (M16).
                Some(version) if method == "initialize" => Fault::unsupported_version(&[VERSION], version),
                _ => missing(VERSION_KEY),
            });
        };
        if version != VERSION {
            return Err(Fault::unsupported_version(&[VERSION], version));
        }
        let level = match meta.get(LEVEL_KEY) {
            None => None,
            Some(name) => Some(
                name.as_str()
                    .and_then(Level::read)
                    .ok_or_else(|| Fault::invalid_params(format!("`_meta.{LEVEL_KEY}` is none of the log levels")))?,
            ),
        };
        Ok(Self {
            capabilities: meta
                .get(CAPABILITIES_KEY)
                .and_then(Capabilities::read)
                .ok_or_else(|| missing(CAPABILITIES_KEY))?,
            level,
            progress_token: meta.get("progressToken").cloned(),
        })
    }
}

fn missing(key: &str) -> Fault {
    Fault::invalid_params(format!("`_meta.{key}` is missing"))
}

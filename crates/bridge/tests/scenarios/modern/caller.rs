//! A client of 2026-07-28.

use bridge::bridge::Bridge;
use bridge::reply::{PostHead, Principal, Reply};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::house::{House, Puppet, body, principal, soon};

pub(super) const VERSION: &str = "2026-07-28";
pub(super) const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
pub(super) const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
pub(super) const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";

#[derive(Clone)]
pub(super) struct Caller {
    bridge: Bridge,
    pub(super) who: Principal,
    pub(super) capabilities: Value,
}

impl Caller {
    pub(super) fn new(house: &House, user: &str) -> Self {
        Self { bridge: house.bridge.clone(), who: principal(user), capabilities: json!({}) }
    }

    /// One that can be asked everything.
    pub(super) fn able(&self) -> Self {
        Self { capabilities: json!({"elicitation":{"form":{},"url":{}},"sampling":{},"roots":{}}), ..self.clone() }
    }

    /// A request with everything in `_meta` that there has to be.
    pub(super) fn request(&self, id: impl Into<Value>, method: &str, mut params: Value) -> Value {
        let meta = &mut params["_meta"];
        meta["io.modelcontextprotocol/protocolVersion"] = json!(VERSION);
        meta["io.modelcontextprotocol/clientCapabilities"] = self.capabilities.clone();
        json!({"jsonrpc":"2.0","id":id.into(),"method":method,"params":params})
    }

    pub(super) fn call(&self, id: impl Into<Value>, tool: &str) -> Value {
        self.request(id, "tools/call", json!({"name":tool,"arguments":{}}))
    }

    pub(super) async fn post(&self, message: &Value) -> Reply {
        self.post_as(head(message), message.to_string()).await
    }

    pub(super) async fn post_as(&self, head: PostHead, body: String) -> Reply {
        soon(self.bridge.post(&self.who, head, Bytes::from(body))).await
    }

    /// Posts in the background.
    pub(super) fn start(&self, message: &Value) -> JoinHandle<Reply> {
        let (caller, message) = (self.clone(), message.clone());
        tokio::spawn(async move { caller.bridge.post(&caller.who, head(&message), message.to_string().into()).await })
    }

    /// What the server says of itself.
    pub(super) async fn discover(&self) -> Value {
        body(self.post(&self.request("d", "server/discover", json!({}))).await)["result"].clone()
    }
}

/// The headers that belong to a message.
pub(super) fn head(message: &Value) -> PostHead {
    let params = &message["params"];
    let name = match message["method"].as_str() {
        Some("tools/call" | "prompts/get") => params["name"].as_str(),
        Some("resources/read") => params["uri"].as_str(),
        _ => None,
    };
    PostHead {
        protocol_version: params["_meta"]["io.modelcontextprotocol/protocolVersion"].as_str().map(str::to_owned),
        mcp_method: message["method"].as_str().map(str::to_owned),
        mcp_name: name.map(str::to_owned),
        ..PostHead::default()
    }
}

/// A caller whose grant has a worker with these capabilities.
pub(super) async fn on_worker(house: &House, capabilities: Value) -> (Caller, Puppet) {
    let caller = Caller::new(house, "alice");
    let discovered = caller.start(&caller.request("d", "server/discover", json!({})));
    let worker = begin(house, capabilities).await;
    assert_eq!(soon(discovered).await.expect("post").status, 200);
    (caller, worker)
}

/// The worker that is being started, after its handshake.
pub(super) async fn begin(house: &House, capabilities: Value) -> Puppet {
    let mut worker = house.worker().await;
    worker.greet_with(capabilities).await;
    worker.expect("notifications/initialized").await;
    worker
}

/// With everything that a worker can have.
pub(super) fn everything() -> Value {
    json!({"tools":{"listChanged":true},"prompts":{"listChanged":true},"resources":{"listChanged":true,"subscribe":true},
        "completions":{},"logging":{},"tasks":{"list":{}}})
}

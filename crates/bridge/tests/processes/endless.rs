//! A whole bridge before a worker that prints one line without end.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use bridge::access::{AccessIssuer, WorkerAccess};
use bridge::bridge::Bridge;
use bridge::config::BridgeConfig;
use bridge::observer::NoObserver;
use bridge::reply::{PostHead, Principal};
use bridge::session_store::NoSessionStore;
use bridge::spawn::Spawner;

const LINE_CAP: usize = 1 << 20;
/// More than the line's cap and a page here and there, much less than what a worker prints meanwhile.
const FLAT_BYTES: u64 = 24 << 20;

struct Access(String);

struct Issuer(String);

/// Has the worker asked to initialize; what the client was answered. The broker's memory must not grow with the line.
pub(crate) async fn endure(spawner: Spawner, url: &str) -> u16 {
    let config = BridgeConfig {
        max_line_bytes: LINE_CAP,
        start_timeout: Duration::from_secs(1),
        stop_grace: Duration::from_millis(50),
        ..BridgeConfig::default()
    };
    let issuer = Arc::new(Issuer(url.to_owned()));
    let bridge = Bridge::start(config, spawner.clone(), issuer, Arc::new(NoSessionStore), Arc::new(NoObserver));
    let before = resident_bytes();
    let who = Principal { user: "u".into(), client: "c".into(), grant: "g".into() };
    let initialize = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;
    let reply = bridge.post(&who, PostHead::default(), initialize.into()).await;
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < FLAT_BYTES, "{grown} bytes");
    while spawner.alive() > 0 {
        tokio::task::yield_now().await;
    }
    reply.status
}

fn resident_bytes() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    let resident: u64 = pages.split(' ').nth(1).unwrap().parse().unwrap();
    resident * u64::try_from(rustix::param::page_size()).unwrap()
}

// === impl Issuer ===

impl AccessIssuer for Issuer {
    fn open(&self) -> Arc<dyn WorkerAccess> {
        Arc::new(Access(self.0.clone()))
    }
}

impl WorkerAccess for Access {
    fn url(&self) -> &str {
        &self.0
    }

    fn token(&self) -> &'static str {
        crate::workers::TOKEN
    }

    fn public_url(&self) -> &'static str {
        "https://forge.example"
    }

    fn only_under(&self, _: Arc<dyn bridge::replica::Lease>) {}
    fn revoke(&self) {}
    fn assign(&self, _: &Principal) {}

    fn ready(&self) {}
}

//! The shipped configurations of Caddy and nginx, each run by the real program in front of the broker.
//!
//! Where a program is not installed its tests say so and pass: `skipped: caddy is not installed`.

mod addresses;
mod doctor;
mod logs;
mod names;
mod process;
mod streams;

use anyhow::Result;
use e2e::broker::Settings;
use e2e::children;
use e2e::stack::Stack;
use forgejo_sim::SimConfig;

use process::{Kind, Ports, Proxy};

/// A broker behind a proxy; `stack.broker.url` is the proxy's.
struct House {
    stack: Stack,
    proxy: Proxy,
    ports: Ports,
}

/// The proxy and the broker behind it, or nothing where the proxy is not installed.
async fn house(kind: Kind, more: Settings) -> Result<Option<House>> {
    let Some(program) = kind.program() else {
        skipped(kind);
        return Ok(None);
    };
    let ports = Ports::free()?;
    let proxy = Proxy::start(kind, &program, ports).await?;
    let mut settings = Settings::default()
        .with("LISTEN", format!("127.0.0.1:{}", ports.broker))
        .with("ALLOWED_HOSTS", format!("127.0.0.1:{},localhost:{}", ports.plain, ports.tls))
        .with("TRUSTED_PROXIES", "127.0.0.1/32");
    settings.extend(more);
    let child = children::fixture("2.34.1")?;
    let stack = Stack::start_on(ports.plain, &child, SimConfig::default(), settings).await?;
    Ok(Some(House { stack, proxy, ports }))
}

#[expect(clippy::print_stderr, reason = "a run says what it did not cover")]
fn skipped(kind: Kind) {
    let name = format!("{kind:?}").to_lowercase();
    eprintln!("skipped: {name} is not installed (apt-get install {name})");
}

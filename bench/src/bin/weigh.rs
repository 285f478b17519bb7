//! Scratch: weighs sessions.
use std::collections::BTreeSet;
use anyhow::Result;
use bench::load::{self, Echoes};
use bench::subject::{broker, door};
use e2e::broker::Settings;

fn anon(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let of = |name: &str| text.lines().find(|l| l.starts_with(name)).and_then(|l| l.split_whitespace().nth(1)).and_then(|v| v.parse::<u64>().ok()).unwrap_or(0) * 1024;
    of("Anonymous:")
}

fn dump() {
    let Ok(base) = std::env::var("WEIGH_MEMLOG") else { return };
    let want = format!("{base}.want");
    std::fs::write(&want, "").unwrap();
    while std::path::Path::new(&want).exists() { std::thread::sleep(std::time::Duration::from_millis(20)); }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let env = |n: &str, d: u64| std::env::var(n).ok().and_then(|v| v.parse().ok()).unwrap_or(d);
    let settings = Settings::default().with("MAX_SESSIONS", "2000").with("MAX_SESSIONS_PER_USER", "2000").with("MAX_STORED_SESSIONS", "20000").with("WARM_WORKERS", "0").with("LOG_LEVEL", "warn");
    let stack = broker(settings).await?;
    let (_, tokens) = stack.log_in("alice").await?;
    let door = door(&stack, &tokens)?;
    let pid = stack.broker.pid;
    let step = env("STEP", 100);
    let calls = env("CALLS", 0);
    let pss = || bench::cost::memory(&BTreeSet::from([pid])).unwrap();
    let first = door.session().await?;
    let mut kept = Vec::new();
    for _ in 0..50 { kept.push(door.session().await?); }
    if calls > 0 { load::closed(&kept, 1, calls * 50, Echoes).await?; }
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let mut last = (anon(pid), pss());
    println!("after 51: anon {} pss {}", last.0, last.1);
    dump();
    for round in 0..env("ROUNDS", 3) {
        let mut new = Vec::new();
        for _ in 0..step { new.push(door.session().await?); }
        if calls > 0 { load::closed(&new, 1, calls * step, Echoes).await?; }
        kept.extend(new);
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        let now = (anon(pid), pss());
        println!("round {round}: anon {} (+{} each)  pss {} (+{} each)", now.0, (now.0 as i64 - last.0 as i64) / step as i64, now.1, (now.1 as i64 - last.1 as i64) / step as i64);
        last = now;
        dump();
    }
    for round in 0..env("CALL_ROUNDS", 0) {
        let n = env("CALLS_EACH", 20000);
        load::closed(std::slice::from_ref(&first), env("CALLERS", 32) as usize, n, Echoes).await?;
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        let now = (anon(pid), pss());
        println!("calls {round}: anon {} (+{} per 1000)  pss {}", now.0, (now.0 as i64 - last.0 as i64) * 1000 / n as i64, now.1);
        last = now;
        dump();
    }
    Ok(())
}

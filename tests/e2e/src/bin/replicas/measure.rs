//! What a hop, a takeover, a handover and a revocation take.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use e2e::broker::Settings;
use e2e::farm::{Farm, REPLICAS};
use e2e::mcp::Mcp;
use e2e::oauth_client::OAuthClient;
use e2e::processes::resident_bytes;
use rustix::process::Signal;
use serde_json::json;
use tokio::time::sleep;

use crate::{say, without_rates};

/// Calls of each kind.
const CALLS: u16 = 1_000;
/// Calls before them, which are not counted.
const FIRST: u16 = 50;
const REVOCATIONS: usize = 20;
const TAKEOVERS: usize = 3;
/// How often a revoked token is tried.
const LOOKS_EVERY: Duration = Duration::from_millis(5);

pub(crate) fn settings() -> Settings {
    without_rates().with("LOG_LEVEL", "warn")
}

pub(crate) async fn run(mut farm: Farm) -> Result<()> {
    hop(&farm).await?;
    revocation(&farm).await?;
    handover(&mut farm).await?;
    takeover(&mut farm).await?;
    farm.terminate().await
}

/// The value below which so many of a hundred are.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or_default()
}

fn told(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let millis = |percent| percentile(times, percent).as_secs_f64() * 1_000.0;
    format!("p50 {:.2} ms, p95 {:.2} ms, longest {:.2} ms", millis(50), millis(95), millis(100))
}

/// The processor time that a process has used.
fn processor_time(pid: u32) -> Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let rest = stat.rsplit_once(") ").context("stat")?.1;
    let ticks: u64 = rest.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    // The kernel shows hundredths of a second, whatever it counts in.
    Ok(Duration::from_millis(ticks * 10))
}

/// Calls one after the other, the first of which are not counted.
async fn calls(mcp: &Mcp) -> Result<Vec<Duration>> {
    let mut times = Vec::with_capacity(usize::from(CALLS));
    for number in 0..CALLS + FIRST {
        let begun = Instant::now();
        mcp.call("echo", &json!({"mark": "x"})).await?;
        if number >= FIRST {
            times.push(begun.elapsed());
        }
    }
    Ok(times)
}

/// The same session asked at its owner, and at another replica.
async fn hop(farm: &Farm) -> Result<()> {
    let (_, tokens) = farm.log_in("alice").await?;
    let owner = farm.session_at(&farm.brokers[0].url, &tokens).await?;
    let elsewhere = owner.at(&farm.brokers[1].url)?;
    let mut medians = Vec::new();
    for (name, client) in [("at the owner", &owner), ("over a hop", &elsewhere), ("at the owner, again", &owner)] {
        let before = [processor_time(farm.brokers[0].pid)?, processor_time(farm.brokers[1].pid)?];
        let mut times = calls(client).await?;
        let used = processor_time(farm.brokers[0].pid)?.saturating_sub(before[0]);
        let passed = processor_time(farm.brokers[1].pid)?.saturating_sub(before[1]);
        let each = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(CALLS + FIRST);
        say(&format!(
            "hop: {CALLS} calls {name}: {}; processor time for each: owner {:.0} µs, the other {:.0} µs",
            told(&mut times),
            each(used),
            each(passed)
        ));
        medians.push(percentile(&times, 50));
    }
    let direct = medians[0].min(medians[2]);
    say(&format!("hop: adds {:.2} ms to the median", medians[1].saturating_sub(direct).as_secs_f64() * 1_000.0));
    let memory: Vec<u64> = farm.brokers.iter().map(|broker| resident_bytes(broker.pid)).collect::<Result<Vec<_>>>()?;
    say(&format!("memory of each replica: {:?} MiB", memory.iter().map(|bytes| bytes >> 20).collect::<Vec<_>>()));
    Ok(())
}

/// From the answer to a revocation at one replica to the first refusal at each of the others.
async fn revocation(farm: &Farm) -> Result<()> {
    let mut times = Vec::new();
    for _ in 0..REVOCATIONS {
        let (client, tokens) = farm.log_in("alice").await?;
        let others = (1..REPLICAS).map(|index| Mcp::new(&farm.brokers[index].url, &tokens.access_token));
        let others = others.collect::<Result<Vec<_>>>()?;
        for other in &others {
            ensure!(other.send("ping", &json!({})).await?.status == 200, "the token is not good yet");
        }
        let mut here = OAuthClient::clone(&client);
        here.issuer.clone_from(&farm.brokers[0].url);
        here.revoke(&tokens.refresh_token).await?;
        let revoked = Instant::now();
        for other in &others {
            while other.send("ping", &json!({})).await?.status != 401 {
                ensure!(revoked.elapsed() < Duration::from_secs(35), "a revoked token is good at another replica");
                sleep(LOOKS_EVERY).await;
            }
            times.push(revoked.elapsed());
        }
    }
    say(&format!("revocation: at the other replicas after {}", told(&mut times)));
    Ok(())
}

/// A replica is told to stop; its session is asked for at another one.
async fn handover(farm: &mut Farm) -> Result<()> {
    let mut times = Vec::new();
    for _ in 0..TAKEOVERS {
        let (_, tokens) = farm.log_in("alice").await?;
        let owner = farm.session_at(&farm.brokers[0].url, &tokens).await?;
        owner.call("echo", &json!({})).await?;
        let client = owner.at(&farm.brokers[1].url)?;
        farm.brokers[0].signal(Signal::TERM)?;
        times.push(first_answer(&client).await?);
        ensure!(farm.brokers[0].wait().await?.success(), "{}", farm.brokers[0].log());
        farm.restart(0).await?;
    }
    say(&format!("handover at SIGTERM: first answer of another replica after {}", told(&mut times)));
    Ok(())
}

/// A replica is killed; its session is asked for at another one at once.
async fn takeover(farm: &mut Farm) -> Result<()> {
    let mut times = Vec::new();
    for _ in 0..TAKEOVERS {
        let (_, tokens) = farm.log_in("alice").await?;
        let owner = farm.session_at(&farm.brokers[0].url, &tokens).await?;
        owner.call("echo", &json!({})).await?;
        let client = owner.at(&farm.brokers[1].url)?;
        farm.brokers[0].kill().await?;
        times.push(first_answer(&client).await?);
        farm.restart(0).await?;
    }
    say(&format!("takeover after kill -9, lease 10 s: first answer of another replica after {}", told(&mut times)));
    Ok(())
}

async fn first_answer(client: &Mcp) -> Result<Duration> {
    let begun = Instant::now();
    let mut refusals = 0;
    loop {
        match client.send_call("echo", &json!({})).await {
            Ok(answer) if answer.status == 200 && answer.result().is_ok() => break,
            Ok(answer) => ensure!(answer.status != 404, "the session is lost: {}", answer.body),
            Err(error) => return Err(error),
        }
        refusals += 1;
        ensure!(begun.elapsed() < Duration::from_mins(1), "nobody takes the session over");
        sleep(Duration::from_millis(20)).await;
    }
    if refusals > 0 {
        say(&format!("  after {refusals} answers that were none"));
    }
    Ok(begun.elapsed())
}

//! What the database is asked while a known load runs.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use e2e::broker::Settings;
use e2e::farm::{Farm, REPLICAS};
use e2e::modern::Modern;
use serde_json::json;

use crate::{say, without_rates};

/// How often each thing is done.
const TIMES: u16 = 20;
const CALLS: u16 = 300;
/// How long nothing is done.
const QUIET: Duration = Duration::from_secs(30);

pub(crate) fn settings() -> Settings {
    without_rates().with("LOG_LEVEL", "warn").with("SESSION_IDLE_TIMEOUT", "15m")
}

/// What replicas ask without being asked: their leases, revocations, whether the connection is good.
const OF_IDLE_REPLICAS: &str = "query ~* 'FROM revocations WHERE id >|UPDATE replicas|FROM replicas|^SELECT .1$'";

/// What PostgreSQL has counted.
#[derive(Clone, Copy)]
struct Counted {
    at: Instant,
    statements: f64,
    writes: f64,
    transactions: f64,
    /// Time it has worked, in milliseconds.
    worked: f64,
}

pub(crate) async fn run(mut farm: Farm) -> Result<()> {
    farm.place.run("CREATE EXTENSION IF NOT EXISTS pg_stat_statements SCHEMA public")?;
    let before = counted(&farm, "false")?;
    tokio::time::sleep(QUIET).await;
    let after = counted(&farm, "false")?;
    let seconds = (after.at - before.at).as_secs_f64();
    tell("a replica that does nothing, each second", (before, after), seconds * f64::from(u16::try_from(REPLICAS)?));
    // From here on without these.
    let counted = |farm: &Farm| counted(farm, OF_IDLE_REPLICAS);

    let before = counted(&farm)?;
    let mut logins = Vec::new();
    for login in ["alice", "bob"].into_iter().cycle().take(usize::from(TIMES)) {
        logins.push(farm.log_in(login).await?);
    }
    tell("registration and login of a client", (before, counted(&farm)?), f64::from(TIMES));

    let before = counted(&farm)?;
    for (client, tokens) in &mut logins {
        *tokens = client.refresh(&tokens.refresh_token).await?;
    }
    tell("refresh of tokens", (before, counted(&farm)?), f64::from(TIMES));

    let before = counted(&farm)?;
    let mut sessions = Vec::new();
    for (_, tokens) in &logins {
        sessions.push(farm.session(tokens).await?);
    }
    tell("session begun, with its first token at a replica", (before, counted(&farm)?), f64::from(TIMES));

    // Every replica has seen every token and session.
    for session in &sessions {
        for _ in 0..REPLICAS {
            session.call("echo", &json!({})).await?;
        }
    }
    let before = counted(&farm)?;
    for session in sessions.iter().cycle().take(usize::from(CALLS)) {
        session.call("echo", &json!({})).await?;
    }
    tell("call in a session", (before, counted(&farm)?), f64::from(CALLS));

    let mut modern = Vec::new();
    for (_, tokens) in &logins {
        let client = Modern::new(&farm.url, &tokens.access_token)?;
        for _ in 0..REPLICAS {
            client.call("echo", &json!({})).await?;
        }
        modern.push(client);
    }
    let before = counted(&farm)?;
    for client in modern.iter().cycle().take(usize::from(CALLS)) {
        client.call("echo", &json!({})).await?;
    }
    tell("call without a session (2026-07-28)", (before, counted(&farm)?), f64::from(CALLS));

    let before = counted(&farm)?;
    farm.sim.advance(Duration::from_hours(2));
    for session in sessions.iter().take(2) {
        session.call("get_my_user_info", &json!({})).await?;
    }
    tell("refresh at Forgejo", (before, counted(&farm)?), 2.0);

    let before = counted(&farm)?;
    for session in &sessions {
        session.delete().await?;
    }
    tell("session ended", (before, counted(&farm)?), f64::from(TIMES));

    let connections = farm.count("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")?;
    say(&format!("connections of {REPLICAS} replicas to the database: {connections} (one of them counts)"));
    let bytes = farm.count("SELECT pg_database_size(current_database())")?;
    say(&format!("size of the database: {} KiB", bytes / 1024));
    let row = farm.count("SELECT pg_total_relation_size('audit_events') / count(*) FROM audit_events")?;
    say(&format!("a row of the audit log, with its indexes: {row} bytes"));
    let busiest = farm.place.run(
        "SELECT calls, round(mean_exec_time::numeric, 3), left(regexp_replace(query, '\\s+', ' ', 'g'), 110) \
         FROM pg_stat_statements WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) \
         ORDER BY calls DESC LIMIT 12",
    )?;
    say(&format!("asked most (times, milliseconds each):\n{busiest}"));
    farm.terminate().await
}

/// Except what matches `ignored`.
fn counted(farm: &Farm, ignored: &str) -> Result<Counted> {
    let said = farm.place.run(&format!(
        "SELECT count(*), sum(calls) FILTER (WHERE query !~* '^(begin|commit|rollback|set)'), \
         coalesce(sum(calls) FILTER (WHERE query ~* '^\\s*(insert|update|delete)'), 0), \
         coalesce(sum(calls) FILTER (WHERE query ~* '^begin'), 0), sum(total_exec_time + total_plan_time) \
         FROM pg_stat_statements WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) \
         AND userid = (SELECT oid FROM pg_roles WHERE rolname = '{}') AND NOT ({ignored})",
        farm.place.owner()
    ))?;
    let numbers: Vec<f64> = said.trim().split('|').filter_map(|field| field.parse().ok()).collect();
    let [_, statements, writes, transactions, worked] = numbers[..] else {
        return None.with_context(|| format!("not five numbers: {said}"));
    };
    Ok(Counted { at: Instant::now(), statements, writes, transactions, worked })
}

/// For each of `times`.
fn tell(what: &str, (before, after): (Counted, Counted), times: f64) {
    say(&format!(
        "statements: {what}: {:.2}, of which {:.2} write; {:.2} transactions; {:.2} ms of PostgreSQL's time",
        (after.statements - before.statements) / times,
        (after.writes - before.writes) / times,
        (after.transactions - before.transactions) / times,
        (after.worked - before.worked) / times,
    ));
}

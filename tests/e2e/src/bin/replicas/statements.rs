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
    let before = counted(&farm)?;
    tokio::time::sleep(QUIET).await;
    let after = counted(&farm)?;
    let seconds = (after.at - before.at).as_secs_f64();
    let idle = Counted::each_second(before, after, seconds);
    tell(
        "a replica that does nothing, each second",
        before,
        after,
        None,
        seconds * f64::from(u16::try_from(REPLICAS)?),
    );
    let tell = |what: &str, before, after, times| tell(what, before, after, Some(idle), times);

    let before = counted(&farm)?;
    let mut logins = Vec::new();
    for login in ["alice", "bob"].into_iter().cycle().take(usize::from(TIMES)) {
        logins.push(farm.log_in(login).await?);
    }
    tell("registration and login of a client", before, counted(&farm)?, f64::from(TIMES));

    let before = counted(&farm)?;
    for (client, tokens) in &mut logins {
        *tokens = client.refresh(&tokens.refresh_token).await?;
    }
    tell("refresh of tokens", before, counted(&farm)?, f64::from(TIMES));

    let before = counted(&farm)?;
    let mut sessions = Vec::new();
    for (_, tokens) in &logins {
        sessions.push(farm.session(tokens).await?);
    }
    tell("session begun, with its first token at a replica", before, counted(&farm)?, f64::from(TIMES));

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
    tell("call in a session", before, counted(&farm)?, f64::from(CALLS));

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
    tell("call without a session (2026-07-28)", before, counted(&farm)?, f64::from(CALLS));

    let before = counted(&farm)?;
    farm.sim.advance(Duration::from_hours(2));
    for session in sessions.iter().take(2) {
        session.call("get_my_user_info", &json!({})).await?;
    }
    tell("refresh at Forgejo", before, counted(&farm)?, 2.0);

    let before = counted(&farm)?;
    for session in &sessions {
        session.delete().await?;
    }
    tell("session ended", before, counted(&farm)?, f64::from(TIMES));

    let connections = farm.count("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")?;
    say(&format!("connections of {REPLICAS} replicas to the database: {connections} (one of them counts)"));
    let bytes = farm.count("SELECT pg_database_size(current_database())")?;
    say(&format!("size of the database: {} KiB", bytes / 1024));
    let busiest = farm.place.run(
        "SELECT calls, round(mean_exec_time::numeric, 3), left(regexp_replace(query, '\\s+', ' ', 'g'), 110) \
         FROM pg_stat_statements WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) \
         ORDER BY calls DESC LIMIT 12",
    )?;
    say(&format!("asked most (times, milliseconds each):\n{busiest}"));
    farm.terminate().await
}

fn counted(farm: &Farm) -> Result<Counted> {
    let said = farm.place.run(
        "SELECT (SELECT sum(calls) FROM pg_stat_statements s WHERE s.dbid = d.oid AND query !~* '^(begin|commit|rollback|set)'), \
         coalesce((SELECT sum(calls) FROM pg_stat_statements s WHERE s.dbid = d.oid AND query ~* \
         '^\\s*(insert|update|delete|with .*(insert|update|delete))'), 0), \
         (SELECT coalesce(sum(calls), 0) FROM pg_stat_statements s WHERE s.dbid = d.oid AND query ~* '^begin'), \
         (SELECT sum(total_exec_time + total_plan_time) FROM pg_stat_statements s WHERE s.dbid = d.oid) \
         FROM pg_database d WHERE d.datname = current_database()",
    )?;
    let numbers: Vec<f64> = said.trim().split('|').filter_map(|field| field.parse().ok()).collect();
    let [statements, writes, transactions, worked] = numbers[..] else {
        return None.with_context(|| format!("not four numbers: {said}"));
    };
    Ok(Counted { at: Instant::now(), statements, writes, transactions, worked })
}

// === impl Counted ===

impl Counted {
    fn each_second(before: Self, after: Self, seconds: f64) -> [f64; 4] {
        before.until(after).map(|number| number / seconds)
    }

    fn until(self, after: Self) -> [f64; 4] {
        [
            after.statements - self.statements,
            after.writes - self.writes,
            after.transactions - self.transactions,
            after.worked - self.worked,
        ]
    }
}

/// For each of `times`, without what is asked by idle replicas meanwhile.
fn tell(what: &str, before: Counted, after: Counted, idle: Option<[f64; 4]>, times: f64) {
    let seconds = (after.at - before.at).as_secs_f64();
    let idle = idle.unwrap_or_default();
    let mut each = before.until(after);
    for (number, idle) in each.iter_mut().zip(idle) {
        *number = (*number - idle * seconds) / times;
    }
    let [statements, writes, transactions, worked] = each;
    say(&format!(
        "statements: {what}: {statements:.2}, of which {writes:.2} write; {transactions:.2} transactions; \
         {worked:.2} ms of PostgreSQL's time"
    ));
}

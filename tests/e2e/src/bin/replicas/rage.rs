//! Replicas, the database and the network fail at random under load.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use e2e::broker::{Settings, children_of, zombies_of};
use e2e::farm::{Farm, Link, Mode, REPLICAS};
use e2e::modern::Modern;
use e2e::processes::{exists, kill_9};
use e2e::stack::eventually;
use e2e::storm::client::{Client, Field};
use e2e::storm::dice::Dice;
use forgejo_sim::NewUser;
use tokio::task::{JoinSet, block_in_place};
use tokio::time::sleep;

use crate::{Arguments, say, without_rates};

const USERS: [&str; 3] = ["alice", "bob", "carol"];
/// Short, so that faults outlast it.
const LEASE: &str = "3s";
/// How long a fault lasts at most: longer than the lease, and than what statements may take.
const LONGEST_FAULT: Duration = Duration::from_secs(6);
/// How long all is well in between, at most.
const LONGEST_CALM: Duration = Duration::from_millis(1_500);

/// What takes longer is told.
const SLOW_RECOVERY: Duration = Duration::from_secs(15);

pub(crate) fn settings() -> Settings {
    without_rates()
        .with("REPLICA_LEASE", LEASE)
        .with("REFRESH_REPLAY_WINDOW", "120s")
        .with("SESSION_IDLE_TIMEOUT", "2s")
        .with("MAX_SESSIONS", "60")
        .with("DATABASE_STATEMENT_TIMEOUT", "3s")
        .with("DATABASE_CONNECT_TIMEOUT", "2s")
        .with("LOG_LEVEL", "warn")
}

/// What was done.
#[derive(Debug, Default)]
struct Deeds {
    workers: u64,
    replicas: u64,
    databases: u64,
    database_links: u64,
    hops: u64,
    expiries: u64,
    /// How long it took from the end of a fault until all replicas were ready, at most.
    longest_recovery: Duration,
}

/// How a link fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    Stalls,
    Breaks,
    /// Its packets are dropped.
    Partitions,
}

/// What has to be made good again.
#[derive(Debug)]
enum Fault {
    Killed(usize),
    DatabaseStopped,
    DatabaseLink(usize, Cut),
    Hop(usize, Cut),
    /// Nothing has to.
    Passing,
}

// === impl Cut ===

impl Cut {
    async fn begin(self, link: &Link) -> Result<()> {
        match self {
            Self::Stalls => link.set(Mode::Stalls),
            Self::Breaks => link.set(Mode::Breaks),
            Self::Partitions => link.partition(true).await?,
        }
        Ok(())
    }

    async fn end(self, link: &Link) -> Result<()> {
        match self {
            Self::Stalls | Self::Breaks => link.set(Mode::Passes),
            Self::Partitions => link.partition(false).await?,
        }
        Ok(())
    }
}

pub(crate) async fn run(mut farm: Farm, arguments: &Arguments) -> Result<()> {
    farm.sim.create_user(NewUser::new("carol", "carol-password"));
    let clients = clients(&farm, arguments).await?;
    let sessions = farm.count("SELECT count(*) FROM sessions")?;
    let field = Arc::new(Field::default());
    let mut running = JoinSet::new();
    for (number, client) in clients.into_iter().enumerate() {
        let seed = arguments.seed.wrapping_mul(1_000).wrapping_add(number as u64);
        running.spawn(client.run(Arc::clone(&field), Dice::new(seed)));
    }
    let begun = Instant::now();
    let mut dice = Dice::new(arguments.seed);
    let raged = rage(&mut farm, &field, &mut dice, arguments).await;
    field.over.store(true, Ordering::Relaxed);
    let mut clients = running.join_all().await;
    let (deeds, left) = raged.with_context(|| logs(&farm))?;
    let took = begun.elapsed();
    let mut lost = Vec::new();
    for client in &mut clients {
        if let Err(why) = client.still_served().await {
            lost.push(why);
        }
    }
    let zombies: usize = farm.brokers.iter().map(|broker| zombies_of(broker.pid).len()).sum();
    let workers: Vec<u32> = farm.workers();
    let minted = minted_twice(&farm)?;
    let kept = farm.count("SELECT count(*) FROM sessions")?;
    let repeated = farm.sim.count_requests(|request| request.is_refresh() && request.status == Some(400));
    let spread = farm.nginx.spread();
    let brokers: Vec<u32> = farm.brokers.iter().map(|broker| broker.pid).collect();
    farm.terminate().await?;
    eventually("no process is left", || left.iter().chain(&workers).all(|pid| !exists(*pid))).await?;
    ensure!(brokers.iter().all(|pid| children_of(*pid).is_empty()), "a broker has left children");

    let tally = std::mem::take(&mut *field.tally.lock());
    let refused: u64 = tally.errors.values().sum();
    say(&format!(
        "{} s, seed {}: {} clients, {} calls: {} right, {refused} clear errors, {} cut in a fault, {} wrong",
        took.as_secs(),
        arguments.seed,
        clients.len(),
        tally.right + refused + tally.cut + tally.wrong.len() as u64,
        tally.right,
        tally.cut,
        tally.wrong.len(),
    ));
    say(&format!(
        "killed: {} replicas, {} workers; PostgreSQL restarted {} times; cut or stalled: {} links to it, {} between replicas; \
         all ready again after {:.1} s at most",
        deeds.replicas,
        deeds.workers,
        deeds.databases,
        deeds.database_links,
        deeds.hops,
        deeds.longest_recovery.as_secs_f64()
    ));
    say(&format!(
        "Forgejo's tokens expired {} times, {} logins again, {repeated} refreshes at Forgejo refused; {} refreshes here",
        deeds.expiries, tally.logins, tally.renewed
    ));
    for (error, number) in &tally.errors {
        say(&format!("  {number:6} {error}"));
    }
    say(&format!(
        "sessions {sessions} -> {kept}, lost: {}; minted twice: {}; zombies: {zombies}; processes left: 0; requests by replica: {:?}",
        lost.len(),
        minted.len(),
        spread
    ));
    ensure!(tally.wrong.is_empty(), "wronged: {:#?}", &tally.wrong[..tally.wrong.len().min(20)]);
    ensure!(lost.is_empty(), "lost: {lost:#?}");
    ensure!(minted.is_empty(), "minted twice: {minted:#?}");
    ensure!(kept == sessions, "{sessions} sessions have become {kept}");
    ensure!(tally.right > 0 && deeds.replicas > 0, "nothing happened");
    ensure!(zombies == 0, "{zombies} zombies");
    Ok(())
}

fn logs(farm: &Farm) -> String {
    let last = |log: String| log.lines().rev().take(25).map(str::to_owned).collect::<Vec<_>>();
    let logs = farm.brokers.iter().map(|broker| {
        let mut lines = last(broker.log());
        lines.reverse();
        lines.join("\n")
    });
    logs.collect::<Vec<_>>().join("\n---\n")
}

/// What the database would show if two replicas had given out the same thing.
fn minted_twice(farm: &Farm) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for (what, statement) in [
        (
            "successors of one refresh token",
            "SELECT count(*) FROM (SELECT predecessor FROM refresh_tokens WHERE predecessor IS NOT NULL \
             GROUP BY predecessor HAVING count(*) > 1) t",
        ),
        (
            "unused refresh tokens of one grant",
            "SELECT count(*) FROM (SELECT grant_id FROM refresh_tokens WHERE used_at IS NULL GROUP BY grant_id \
             HAVING count(*) > 1) t",
        ),
        (
            "grants of one code",
            "SELECT count(*) FROM (SELECT grant_id FROM codes GROUP BY grant_id HAVING count(*) > 1) t",
        ),
    ] {
        match farm.count(statement)? {
            0 => {}
            number => found.push(format!("{number} times several {what}")),
        }
    }
    Ok(found)
}

/// Clients of both eras, for every user, all behind the balancer.
async fn clients(farm: &Farm, arguments: &Arguments) -> Result<Vec<Client>> {
    let mut clients = Vec::new();
    for login in USERS {
        let others: Vec<String> = USERS.into_iter().filter(|other| *other != login).map(str::to_owned).collect();
        for number in 0..arguments.sessions + arguments.stateless {
            let (oauth, tokens) = farm.log_in(login).await?;
            let name = format!("{login} {number}");
            let client = if number < arguments.sessions {
                let mcp = farm.session(&tokens).await?;
                Client::with_session(name, login, others.clone(), oauth, mcp)
            } else {
                let modern = Modern::new(&farm.url, &tokens.access_token)?;
                Client::stateless(name, login, others.clone(), oauth, modern)
            };
            clients.push(client.renewing(tokens));
        }
    }
    Ok(clients)
}

/// Breaks and heals until the time is over. Gives back the workers of dead replicas, which must be gone too.
async fn rage(
    farm: &mut Farm,
    field: &Field,
    dice: &mut Dice,
    arguments: &Arguments,
) -> Result<(Deeds, BTreeSet<u32>)> {
    let mut deeds = Deeds::default();
    let mut left = BTreeSet::new();
    let end = Instant::now() + Duration::from_secs(arguments.seconds);
    let partitions = arguments.partitions;
    while Instant::now() < end {
        sleep(dice.up_to(LONGEST_CALM)).await;
        field.lives.fetch_add(1, Ordering::SeqCst);
        let mut faults = vec![fault(farm, dice, (&[], partitions), &mut deeds, &mut left).await?];
        // Misfortunes seldom come singly.
        if dice.below(3) == 0 {
            sleep(dice.up_to(Duration::from_millis(500))).await;
            faults.push(fault(farm, dice, (&faults, partitions), &mut deeds, &mut left).await?);
        }
        if !faults.iter().all(|fault| matches!(fault, Fault::Passing)) {
            sleep(dice.up_to(LONGEST_FAULT)).await;
        }
        let healed = Instant::now();
        heal(farm, &faults).await?;
        let recovery = healed.elapsed();
        if recovery > SLOW_RECOVERY {
            say(&format!("  {:.1} s until all were ready again after {faults:?}", recovery.as_secs_f64()));
        }
        deeds.longest_recovery = deeds.longest_recovery.max(recovery);
        field.lives.fetch_add(1, Ordering::SeqCst);
    }
    Ok((deeds, left))
}

/// One more, beside those that there are.
async fn fault(
    farm: &mut Farm,
    dice: &mut Dice,
    (others, partitions): (&[Fault], bool),
    deeds: &mut Deeds,
    left: &mut BTreeSet<u32>,
) -> Result<Fault> {
    let dead = |index| others.iter().any(|fault| matches!(fault, Fault::Killed(other) if *other == index));
    let cut_already = |index, database| {
        others.iter().any(|fault| match fault {
            Fault::DatabaseLink(other, _) => database && *other == index,
            Fault::Hop(other, _) => !database && *other == index,
            _ => false,
        })
    };
    let stopped = others.iter().any(|fault| matches!(fault, Fault::DatabaseStopped));
    let index = usize::try_from(dice.below(REPLICAS as u64))?;
    let cut = match (dice.below(2), partitions) {
        (0, false) => Cut::Stalls,
        (0, true) => Cut::Partitions,
        _ => Cut::Breaks,
    };
    Ok(match dice.below(12) {
        0..=3 if !dead(index) => {
            let workers = farm.brokers[index].workers();
            farm.brokers[index].kill().await?;
            eventually("the workers end with their broker", || workers.iter().all(|pid| !exists(*pid))).await?;
            left.extend(workers);
            deeds.replicas += 1;
            Fault::Killed(index)
        }
        4 | 5 if !stopped => {
            block_in_place(|| farm.cluster.stop())?;
            deeds.databases += 1;
            Fault::DatabaseStopped
        }
        6 | 7 if !cut_already(index, true) => {
            cut.begin(&farm.links[index].database).await?;
            deeds.database_links += 1;
            Fault::DatabaseLink(index, cut)
        }
        8 | 9 if !cut_already(index, false) => {
            cut.begin(&farm.links[index].hop).await?;
            deeds.hops += 1;
            Fault::Hop(index, cut)
        }
        10 => {
            farm.sim.advance(Duration::from_hours(2));
            deeds.expiries += 1;
            Fault::Passing
        }
        _ => {
            if let Some(worker) = dice.pick(&farm.workers()) {
                // It may have ended this moment.
                deeds.workers += u64::from(kill_9(*worker).is_ok());
            }
            Fault::Passing
        }
    })
}

async fn heal(farm: &mut Farm, faults: &[Fault]) -> Result<()> {
    if faults.iter().any(|fault| matches!(fault, Fault::DatabaseStopped)) {
        block_in_place(|| farm.cluster.resume())?;
    }
    for fault in faults {
        match fault {
            Fault::DatabaseLink(index, cut) => cut.end(&farm.links[*index].database).await?,
            Fault::Hop(index, cut) => cut.end(&farm.links[*index].hop).await?,
            _ => {}
        }
    }
    let killed: BTreeSet<usize> =
        faults.iter().filter_map(|fault| if let Fault::Killed(index) = fault { Some(*index) } else { None }).collect();
    for index in killed {
        farm.restart(index).await?;
    }
    farm.ready().await
}

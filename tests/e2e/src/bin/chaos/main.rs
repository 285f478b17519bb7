//! `make chaos`: workers, the broker and the stand-in are killed at random under load, and nobody may be wronged by it.
//!
//! Every call gets its own right answer, or an error that says what was wrong; a connection may only break with the broker's life.
//! Afterwards every session is served again under its old id, no process is left, and memory and descriptors are where they were.

mod front;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use e2e::broker::{Settings, free_port, zombies_of};
use e2e::children;
use e2e::mcp::Mcp;
use e2e::modern::Modern;
use e2e::processes::{descriptors_of, exists, kill_9, resident_bytes};
use e2e::stack::{Stack, eventually};
use e2e::storm::client::{Client, Field};
use e2e::storm::dice::Dice;
use forgejo_sim::{NewUser, SimConfig};
use tokio::task::JoinSet;
use tokio::time::sleep;

use self::front::Front;

const USERS: [&str; 3] = ["alice", "bob", "carol"];
/// What memory may have grown by when all is quiet again: allocators keep some of what they had.
const MAY_STAY: u64 = 32 << 20;

/// Kills processes at random under load and judges every answer.
#[derive(Parser)]
struct Arguments {
    /// How long, in seconds.
    #[arg(long, default_value_t = 180)]
    seconds: u64,
    /// Repeats the throws of an earlier run.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Clients with a session, for each user.
    #[arg(long, default_value_t = 4)]
    sessions: usize,
    /// Clients of 2026-07-28, for each user.
    #[arg(long, default_value_t = 2)]
    stateless: usize,
    /// Be the stand-in's front.
    #[arg(long, num_args = 2, value_names = ["LISTEN", "TARGET"], hide = true)]
    front: Vec<SocketAddr>,
}

/// What was done.
#[derive(Debug, Default)]
struct Deeds {
    workers: u64,
    brokers: u64,
    fronts: u64,
    expiries: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.front[..] {
        [listen, target] => front::run(listen, target).await,
        _ => storm(&arguments).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("chaos: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "the report of this program")]
fn say(text: &str) {
    println!("{text}");
}

async fn storm(arguments: &Arguments) -> Result<()> {
    let listen = SocketAddr::from(([127, 0, 0, 1], free_port()?));
    let sim = SimConfig { root_url: Some(format!("http://{listen}/")), ..SimConfig::default() };
    let settings = Settings::default()
        .with("THREADS", "2")
        .with("SESSION_IDLE_TIMEOUT", "2s")
        .with("RATE_LIMIT_UNAUTHENTICATED", "off")
        .with("MAX_SESSIONS", "60")
        .with("WARM_WORKERS", "2")
        .with("LOG_LEVEL", "warn");
    let mut stack = Stack::start_with(&children::fixture("2.34.1")?, sim, settings).await?;
    stack.sim.create_user(NewUser::new("carol", "carol-password"));
    let mut front = Front::start(listen, stack.sim.address()).await?;
    let clients = clients(&stack, arguments).await?;
    quiet(&stack).await?;
    let before = (resident_bytes(stack.broker.pid)?, descriptors_of(stack.broker.pid).ok());

    let field = Arc::new(Field::default());
    let mut running = JoinSet::new();
    for (number, client) in clients.into_iter().enumerate() {
        let seed = arguments.seed.wrapping_mul(1_000).wrapping_add(number as u64);
        running.spawn(client.run(Arc::clone(&field), Dice::new(seed)));
    }
    let begun = Instant::now();
    let mut dice = Dice::new(arguments.seed);
    let (deeds, left) = rage(&mut stack, &mut front, &field, &mut dice, Duration::from_secs(arguments.seconds)).await?;
    field.over.store(true, Ordering::Relaxed);
    let mut clients = running.join_all().await;
    let calls_took = begun.elapsed();

    let mut lost = Vec::new();
    for client in &mut clients {
        if let Err(why) = client.still_served().await {
            lost.push(why);
        }
    }
    quiet(&stack).await?;
    let after = (resident_bytes(stack.broker.pid)?, descriptors_of(stack.broker.pid).ok());
    let zombies = zombies_of(stack.broker.pid).len();
    let last_workers = stack.broker.workers();
    stack.broker.terminate().await?;
    eventually("no process is left", || left.iter().chain(&last_workers).all(|pid| !exists(*pid))).await?;

    let tally = std::mem::take(&mut *field.tally.lock());
    let refused: u64 = tally.errors.values().sum();
    say(&format!(
        "{} s, seed {}: {} clients, {} calls: {} right, {refused} clear errors, {} cut with the broker's life, {} wrong",
        calls_took.as_secs(),
        arguments.seed,
        clients.len(),
        tally.right + refused + tally.cut + tally.wrong.len() as u64,
        tally.right,
        tally.cut,
        tally.wrong.len(),
    ));
    say(&format!(
        "killed: {} workers, {} brokers, {} fronts of the stand-in; Forgejo's tokens expired {} times, {} logins again",
        deeds.workers, deeds.brokers, deeds.fronts, deeds.expiries, tally.logins
    ));
    for (error, number) in &tally.errors {
        say(&format!("  {number:6} {error}"));
    }
    say(&format!(
        "sessions lost: {}; zombies: {zombies}; processes left: 0; memory {} -> {} KiB, descriptors {:?} -> {:?}",
        lost.len(),
        before.0 / 1024,
        after.0 / 1024,
        before.1,
        after.1
    ));
    ensure!(tally.wrong.is_empty(), "wronged: {:#?}", &tally.wrong[..tally.wrong.len().min(20)]);
    ensure!(lost.is_empty(), "lost: {lost:#?}");
    ensure!(tally.right > 0 && deeds.workers > 0, "nothing happened");
    ensure!(zombies == 0, "{zombies} zombies");
    ensure!(after.0 <= before.0 + MAY_STAY, "memory did not return");
    // The broker is shielded: only root sees its descriptors.
    let kept = before.1.zip(after.1).is_none_or(|(before, after)| after <= before + 16);
    ensure!(kept, "descriptors did not return");
    Ok(())
}

/// Clients of every era, for every user.
async fn clients(stack: &Stack, arguments: &Arguments) -> Result<Vec<Client>> {
    let mut clients = Vec::new();
    for login in USERS {
        let others: Vec<String> = USERS.into_iter().filter(|other| *other != login).map(str::to_owned).collect();
        for number in 0..arguments.sessions + arguments.stateless {
            let (oauth, tokens) = stack.log_in(login).await?;
            let name = format!("{login} {number}");
            if number < arguments.sessions {
                let mut mcp = Mcp::new(&stack.broker.url, &tokens.access_token)?;
                mcp.initialize("2025-11-25").await?;
                clients.push(Client::with_session(name, login, others.clone(), oauth, mcp));
            } else {
                let modern = Modern::new(&stack.broker.url, &tokens.access_token)?;
                clients.push(Client::stateless(name, login, others.clone(), oauth, modern));
            }
        }
    }
    Ok(clients)
}

/// Kills until the time is over. Gives back the workers of dead brokers, which must be gone too.
async fn rage(
    stack: &mut Stack,
    front: &mut Front,
    field: &Field,
    dice: &mut Dice,
    lasts: Duration,
) -> Result<(Deeds, BTreeSet<u32>)> {
    let mut deeds = Deeds::default();
    let mut left = BTreeSet::new();
    let end = Instant::now() + lasts;
    while Instant::now() < end {
        sleep(dice.up_to(Duration::from_millis(700))).await;
        match dice.below(20) {
            0 | 1 => {
                let workers = stack.broker.workers();
                field.lives.fetch_add(1, Ordering::SeqCst);
                stack.broker.kill().await?;
                eventually("the workers end with their broker", || workers.iter().all(|pid| !exists(*pid))).await?;
                left.extend(workers);
                sleep(dice.up_to(Duration::from_millis(500))).await;
                stack.restart().await.context("after a kill")?;
                field.lives.fetch_add(1, Ordering::SeqCst);
                deeds.brokers += 1;
            }
            2 | 3 => {
                front.kill().await?;
                sleep(dice.up_to(Duration::from_millis(1_500))).await;
                front.restart().await?;
                deeds.fronts += 1;
            }
            4 | 5 => {
                stack.sim.advance(Duration::from_hours(2));
                deeds.expiries += 1;
            }
            _ => {
                if let Some(worker) = dice.pick(&stack.broker.workers()) {
                    // It may have ended this moment.
                    deeds.workers += u64::from(kill_9(*worker).is_ok());
                }
            }
        }
    }
    Ok((deeds, left))
}

/// Returns when only those workers are left that wait for their first user.
async fn quiet(stack: &Stack) -> Result<()> {
    let idle = async {
        while stack.broker.workers().len() > 2 {
            sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(2), idle).await.context("idle workers do not stop")
}

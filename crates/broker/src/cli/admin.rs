//! `fjmcp-broker admin`: users, clients, grants, sessions, the audit log. Works on the state file beside the running broker, which hears of
//! what ended within a second.

use clap::Subcommand;
use serde_json::{Value, json};
use store::administration::Administration;

use super::exit::Failure;
use super::state_file::{StateFile, block_on};

mod audit;
mod clients;
mod grants;
mod sessions;
mod stats;
mod users;

#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    about: About,
    #[command(flatten)]
    state: StateFile,
    /// Print JSON instead of a table
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum About {
    /// Users of Forgejo who have logged in
    Users {
        #[command(subcommand)]
        command: users::Command,
    },
    /// MCP clients
    Clients {
        #[command(subcommand)]
        command: clients::Command,
    },
    /// What users have allowed clients; each grant is one connection
    Grants {
        #[command(subcommand)]
        command: grants::Command,
    },
    /// MCP sessions
    Sessions {
        #[command(subcommand)]
        command: sessions::Command,
    },
    /// The audit log
    Audit {
        #[command(subcommand)]
        command: audit::Command,
    },
    /// How much there is of everything
    Stats,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let database = arguments.state.database()?;
    let json = arguments.json;
    let actor = format!("operator (uid {})", rustix::process::getuid().as_raw());
    let output = block_on(async {
        let admin = Administration::open(&database, &actor).await?;
        let output = match &arguments.about {
            About::Users { command } => users::run(&admin, command).await,
            About::Clients { command } => clients::run(&admin, command).await,
            About::Grants { command } => grants::run(&admin, command).await,
            About::Sessions { command } => sessions::run(&admin, command).await,
            About::Audit { command } => audit::run(&admin, command).await,
            About::Stats => stats::run(&admin).await,
        };
        admin.close().await;
        output
    })?;
    output.print(json)
}

/// What a command has to say.
enum Output {
    /// Things, with the columns that a table shows.
    List(Vec<Value>, &'static [super::listing::Column]),
    /// One thing.
    One(Value),
    /// What was done, in words and as members.
    Done(String, Value),
}

// === impl Output ===

impl Output {
    /// Something was done to so many things.
    fn done(what: &str, count: u64) -> Self {
        Self::Done(format!("{what}: {count}"), json!({ "done": what, "count": count }))
    }

    fn print(&self, json: bool) -> Result<(), Failure> {
        match self {
            Self::List(objects, columns) => super::listing::print(objects, columns, json),
            Self::One(object) => super::listing::show(object, json),
            Self::Done(_, object) if json => super::listing::show(object, true),
            Self::Done(words, _) => super::print(&format!("{}\n", crate::display::visible(words))),
        }
    }
}

/// A time as text, or nothing.
fn time(at: impl Into<Option<oauth::clock::Timestamp>>) -> Value {
    let at: Option<oauth::clock::Timestamp> = at.into();
    let text = at.and_then(|at| jiff::Timestamp::from_second(at.0.div_euclid(1000)).ok()).map(|at| at.to_string());
    text.map_or(Value::Null, Value::String)
}

/// How long ago something must be.
#[derive(Debug, Clone, Copy)]
struct Age(std::time::Duration);

impl std::str::FromStr for Age {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        crate::config::duration::parse_duration(text)
            .map(Self)
            .map_err(|fault| format!("{}: {}", fault.wrong, fault.remedy))
    }
}

// === impl Age ===

impl Age {
    fn before(self, now: oauth::clock::Timestamp) -> oauth::clock::Timestamp {
        now.minus(self.0)
    }
}

//! `fjmcp-broker migrate`: the schema brought up to date, or everything moved from a file to PostgreSQL.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};
use store::administration::schema_state;
use store::copies;
use store::transfer::{MovedTable, Progress, transfer};

use super::exit::Failure;
use super::state_file::{StateFile, block_on};

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Only say how far the schema is; exit status 1 if steps are missing
    #[arg(long)]
    check: bool,
    /// Move everything from this SQLite file (sqlite:FILE), on which no broker may run; the file stays as it is
    #[arg(long, value_name = "URL", requires = "to", conflicts_with = "check")]
    from: Option<String>,
    /// Move everything to this PostgreSQL database (`postgres://USER@HOST/DATABASE`), which has to be empty. Password and TLS as for the broker
    #[arg(long, value_name = "URL", requires = "from", conflicts_with_all = ["store_path", "database_url"])]
    to: Option<String>,
    #[command(flatten)]
    state: StateFile,
}

/// How an operator sees how far it is: a bar on a terminal, a line per table elsewhere.
enum Shown {
    Bar(ProgressBar),
    Lines(Option<String>),
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if let (Some(from), Some(to)) = (&arguments.from, &arguments.to) {
        return move_everything(arguments, from, to);
    }
    let database = arguments.state.database()?;
    let state = block_on(async {
        if arguments.check { Ok(schema_state(&database).await?) } else { Ok(copies::migrate(&database).await?) }
    })?;
    if state.is_usable() {
        return super::print(&format!("{state}\n"));
    }
    Err(Failure::Runtime(anyhow::anyhow!("{state}")))
}

fn move_everything(arguments: &Arguments, from: &str, to: &str) -> Result<(), Failure> {
    let path = from.strip_prefix("sqlite:").map(|rest| rest.strip_prefix("//").unwrap_or(rest));
    let Some(path) = path.filter(|path| !path.is_empty()).map(PathBuf::from) else {
        let why = "everything is moved from a file only: --from sqlite:FILE. Between two PostgreSQL servers use pg_dump and pg_restore";
        return Err(Failure::Runtime(anyhow::anyhow!(why)));
    };
    let server = arguments.state.server(to)?;
    let mut shown = Shown::begin()?;
    let moved = block_on(async { Ok(transfer(&path, &server, |progress| shown.show(&progress)).await?) });
    shown.end();
    let text = format!(
        "{}Everything is in {server}, and was compared with {} row by row. Start the broker with database-url in place of store-path and the same \
         key ring: nobody has to log in again. Put the file away, so that no broker is started on it by mistake.\n",
        table(&moved?),
        path.display()
    );
    super::print(&crate::display::visible_lines(&text))
}

fn table(moved: &[MovedTable]) -> String {
    let mut text = format!("{:<20} {:>9}  SHA-256 OF THE ROWS\n", "TABLE", "ROWS");
    for table in moved {
        let _ = writeln!(text, "{:<20} {:>9}  {}", table.name, table.rows, table.digest);
    }
    text
}

// === impl Shown ===

impl Shown {
    fn begin() -> Result<Self, Failure> {
        if !std::io::stderr().is_terminal() {
            return Ok(Self::Lines(None));
        }
        let style = ProgressStyle::with_template("{bar:40} {pos}/{len} rows {elapsed} {msg}");
        Ok(Self::Bar(ProgressBar::new(0).with_style(style.map_err(anyhow::Error::new)?)))
    }

    fn show(&mut self, progress: &Progress<'_>) {
        match self {
            Self::Bar(bar) => {
                bar.set_length(progress.all);
                bar.set_message(progress.table.to_owned());
                bar.set_position(progress.done);
            }
            Self::Lines(last) => {
                if last.as_deref() != Some(progress.table) {
                    let line = format!("moving {} ({} of {} rows done)\n", progress.table, progress.done, progress.all);
                    // Whoever does not read the progress wants the move all the same.
                    let _ = super::print(&line);
                    *last = Some(progress.table.to_owned());
                }
            }
        }
    }

    fn end(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

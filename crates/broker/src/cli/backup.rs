//! `fjmcp-broker backup`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use store::copies;

use super::exit::Failure;
use super::state_file::{StateFile, block_on};

const INSTEAD: &str = "back it up with PostgreSQL's own pg_dump (pg_dump --format=custom --file=FILE DATABASE), or as your database \
                       server is backed up; the key ring is not in it";
const LOOK_EVERY: Duration = Duration::from_millis(100);

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The file to make (0600); it must not be there yet
    #[arg(value_name = "FILE")]
    target: PathBuf,
    #[command(flatten)]
    state: StateFile,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let source = arguments.state.path(INSTEAD)?;
    let target = &arguments.target;
    block_on(async {
        let bytes = copies::size(&source).await?;
        let bar = bar(bytes);
        let growing = copies::unfinished(target);
        let outcome = tokio::select! {
            outcome = copies::back_up(&source, target) => outcome,
            () = show_growth(&bar, &growing) => Ok(()),
        };
        bar.finish_and_clear();
        Ok(outcome?)
    })?;
    let size = std::fs::metadata(target).map(|file| file.len()).unwrap_or_default();
    super::print(&format!(
        "{size} bytes are in {}\nThe key ring (encryption-keys) is not among them: keep it apart, without it nobody can use them.\n",
        crate::display::visible(&target.display().to_string())
    ))
}

/// A bar on a terminal, nothing elsewhere.
pub(super) fn bar(bytes: u64) -> ProgressBar {
    let bar = ProgressBar::new(bytes);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {elapsed}") {
        bar.set_style(style);
    }
    bar
}

async fn show_growth(bar: &ProgressBar, file: &Path) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        bar.set_position(std::fs::metadata(file).map(|file| file.len()).unwrap_or_default());
    }
}

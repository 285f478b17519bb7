//! `fjmcp-broker migrate`.

use store::administration::schema_state;
use store::copies;

use super::exit::Failure;
use super::state_file::{StateFile, block_on};

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Only say how far the schema is; exit status 1 if steps are missing
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    state: StateFile,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let database = arguments.state.database()?;
    let state = block_on(async {
        if arguments.check { Ok(schema_state(&database).await?) } else { Ok(copies::migrate(&database).await?) }
    })?;
    if state.is_usable() {
        return super::print(&format!("{state}\n"));
    }
    Err(Failure::Runtime(anyhow::anyhow!("{state}")))
}

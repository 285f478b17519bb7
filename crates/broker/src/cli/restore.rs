//! `fjmcp-broker restore`.

use std::path::PathBuf;

use store::administration::Administration;
use store::{Database, copies};

use super::exit::Failure;
use super::state_file::{StateFile, block_on, now};

const INSTEAD: &str = "stop all brokers, and restore it with PostgreSQL's own pg_restore (pg_restore --clean --if-exists --dbname=DATABASE \
                       FILE); then, if what was revoked since must not be good again, end it with `admin users revoke`";

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The backup
    #[arg(value_name = "FILE")]
    source: PathBuf,
    /// End every grant that the backup holds, so that nothing that was revoked since then is good again; everybody has to connect anew
    #[arg(long)]
    end_all_grants: bool,
    #[command(flatten)]
    state: StateFile,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let target = arguments.state.path(INSTEAD)?;
    let (aside, ended) = block_on(async {
        let aside = copies::restore(&arguments.source, &target, now()).await?;
        let mut ended = None;
        if arguments.end_all_grants {
            let database = Database::Sqlite(target.clone());
            copies::migrate(&database).await?;
            let admin = Administration::open(&database, "restore").await?;
            let mut count = 0;
            for user in admin.users().await? {
                count += admin.revoke_user(&user.id, now()).await?;
            }
            admin.close().await;
            ended = Some(count);
        }
        Ok((aside, ended))
    })?;
    let aside = aside.map_or_else(String::new, |aside| {
        format!("What was there before is in {}; remove it when all is well.\n", aside.display())
    });
    let ended = ended.map_or_else(
        || {
            "What was revoked since the backup is good again: see `admin grants list`, or restore with --end-all-grants."
                .to_owned()
        },
        |ended| format!("Grants ended: {ended}."),
    );
    let text = format!("{} is as it was in the backup.\n{aside}{ended}\n", target.display());
    super::print(&crate::display::visible_lines(&text))
}

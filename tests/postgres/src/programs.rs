//! Where PostgreSQL's programs are, and as whom they run.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cluster::Error;

/// The user of Debian's package; else nobody.
const USERS: [&str; 2] = ["postgres", "nobody"];

/// PostgreSQL's programs, and the user who runs them.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    folder: PathBuf,
    user: Option<(u32, u32)>,
}

// === impl Programs ===

impl Programs {
    /// The newest version that is installed.
    pub(crate) fn find() -> Result<Self, Error> {
        let mut versions: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
            .map_err(|_| Error::NotInstalled)?
            .flatten()
            .filter_map(|version| Some((version.file_name().to_str()?.parse().ok()?, version.path().join("bin"))))
            .filter(|(_, folder): &(u32, PathBuf)| folder.join("initdb").is_file())
            .collect();
        versions.sort();
        let (_, folder) = versions.pop().ok_or(Error::NotInstalled)?;
        let user = if is_root() { Some(other_user()?) } else { None };
        Ok(Self { folder, user })
    }

    /// Who owns the data, if it is somebody else.
    pub(crate) fn user(&self) -> Option<(u32, u32)> {
        self.user
    }

    /// One of the programs, or another one as the same user.
    pub(crate) fn command(&self, program: &str, at: &Path) -> Command {
        let own = self.folder.join(program);
        let mut command = Command::new(if own.is_file() { own } else { PathBuf::from(program) });
        command.current_dir(at).env_clear().env("LC_ALL", "C.UTF-8").env("PATH", "/usr/bin:/bin").process_group(0);
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command
    }

    pub(crate) fn path(&self, program: &str) -> PathBuf {
        self.folder.join(program)
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

fn other_user() -> Result<(u32, u32), Error> {
    let known = fs::read_to_string("/etc/passwd").unwrap_or_default();
    USERS
        .iter()
        .find_map(|name| {
            let line = known.lines().find(|line| line.split(':').next() == Some(name))?;
            let mut fields = line.split(':').skip(2);
            Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
        })
        .ok_or(Error::NoUser)
}

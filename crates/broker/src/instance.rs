//! Which instance this is: a random name in a file beside the store, the same in every life of the broker.
//!
//! It names the owner of refresh leases (`forgejo::credentials`). A broker that was killed in the middle of a refresh leaves its
//! lease behind; because the next life has the same name it may take that lease again at once, instead of waiting until it runs
//! out. No two living brokers have the same name: each keeps a state directory of its own, whose run file is locked before the
//! first refresh. See `docs/adr/0010-leases-of-an-earlier-life.md`.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use oauth::id::GrantId;
use oauth::random::Random;

const NAME: &str = "instance.id";
/// Characters of a name, as [`GrantId`] makes them.
const LONGEST: usize = 64;

/// The instance's name; made and written down at the first start.
pub(crate) fn name(state_dir: &Path, random: &dyn Random) -> anyhow::Result<String> {
    let path = state_dir.join(NAME);
    let remedy =
        || format!("{}: cannot keep the name of this instance; is the state directory writable?", path.display());
    match fs::read_to_string(&path) {
        Ok(text) if is_name(text.trim()) => return Ok(text.trim().to_owned()),
        Ok(_) => {
            tracing::warn!(path = %path.display(), "the file does not hold the name of an instance; it is written anew");
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(remedy),
    }
    let name = GrantId::generate(random)?.to_string();
    // Beside it first: whoever is killed in between leaves no half of a name.
    let fresh = state_dir.join(format!("{NAME}.new"));
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        writeln!(file, "{name}")?;
        file.sync_all()?;
        fs::rename(&fresh, &path)?;
        Ok::<(), io::Error>(())
    };
    write().with_context(remedy)?;
    Ok(name)
}

fn is_name(text: &str) -> bool {
    (16..=LONGEST).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use oauth::random::OsRandom;

    use super::*;

    #[test]
    fn every_life_of_an_instance_has_the_same_name_and_another_instance_has_another() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let random = OsRandom::default();
        let first = name(one.path(), &random).unwrap();
        assert_eq!(name(one.path(), &random).unwrap(), first);
        assert_ne!(name(other.path(), &random).unwrap(), first);
        let mode = fs::metadata(one.path().join(NAME)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_holds_no_name_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(NAME), "short\n").unwrap();
        let random = OsRandom::default();
        let fresh = name(folder.path(), &random).unwrap();
        assert!(is_name(&fresh), "{fresh}");
        assert_eq!(name(folder.path(), &random).unwrap(), fresh);
    }
}

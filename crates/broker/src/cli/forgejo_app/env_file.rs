//! The file of settings, which holds secrets from its first byte on: 0600, never through a link, never over another file unasked.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// What an operator would copy by hand.
const EXAMPLE: &str = include_str!("../../../../../deploy/podman/fjmcp-broker.env.example");

/// A file that can be written.
pub(super) struct EnvFile {
    file: File,
    /// What is written to.
    path: PathBuf,
    /// What it becomes in the end, if that is another one.
    becomes: Option<PathBuf>,
    text: String,
}

// === impl EnvFile ===

impl EnvFile {
    /// Makes the file; with `replace` a new one beside the one that is there, whose text it takes over.
    pub(super) fn open(path: &Path, replace: bool) -> anyhow::Result<Self> {
        let there = path.symlink_metadata().is_ok();
        if !replace || !there {
            let file = match new(path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    bail!(
                        "{} is there already: name another file with --env-file, or take it over with --replace",
                        path.display()
                    )
                }
                made => made.with_context(|| format!("cannot make {}", path.display()))?,
            };
            return Ok(Self { file, path: path.to_owned(), becomes: None, text: EXAMPLE.to_owned() });
        }
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut beside = path.as_os_str().to_owned();
        beside.push(".new");
        let beside = PathBuf::from(beside);
        let file = new(&beside).with_context(|| format!("cannot make {}", beside.display()))?;
        Ok(Self { file, path: beside, becomes: Some(path.to_owned()), text })
    }

    /// Writes the settings, and the key unless there is one; true if there was.
    pub(super) fn write(mut self, settings: &[(&str, &str)], key: (&str, &str)) -> anyhow::Result<bool> {
        let mut text = self.text.clone();
        for (name, value) in settings {
            text = set(&text, name, value);
        }
        let kept = value_of(&text, key.0).is_some_and(|value| !value.is_empty());
        if !kept {
            text = set(&text, key.0, key.1);
        }
        self.file
            .write_all(text.as_bytes())
            .and_then(|()| self.file.sync_all())
            .context("cannot write the settings")?;
        if let Some(path) = &self.becomes {
            std::fs::rename(&self.path, path).with_context(|| format!("cannot replace {}", path.display()))?;
        }
        Ok(kept)
    }

    /// Takes back what [`Self::open`] made.
    pub(super) fn abandon(self) {
        // It is empty; if it stays, the next try says so.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn new(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn value_of<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
}

/// The text with `NAME=VALUE` in the place of the line of that name, or at its end.
fn set(text: &str, name: &str, value: &str) -> String {
    let is_ours = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with('='));
    let setting = format!("{name}={value}");
    let had = text.lines().any(|line| is_ours(&line));
    let lines = text.lines().map(|line| if is_ours(&line) { setting.as_str() } else { line });
    let more = (!had).then_some(setting.as_str());
    lines.chain(more).fold(String::new(), |whole, line| whole + line + "\n")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const KEY: (&str, &str) = ("FJMCP_BROKER_ENCRYPTION_KEYS", "a-new-key");

    #[test]
    fn the_shipped_example_is_filled_in_and_private_from_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("env");
        let file = EnvFile::open(&path, false).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!file.write(&[("FJMCP_BROKER_FORGEJO_OAUTH_CLIENT_ID", "id"), ("NEW", "1")], KEY).unwrap());
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(value_of(&text, KEY.0), Some("a-new-key"));
        assert_eq!(value_of(&text, "FJMCP_BROKER_FORGEJO_OAUTH_CLIENT_ID"), Some("id"));
        assert_eq!(value_of(&text, "FJMCP_BROKER_REFRESH_REPLAY_WINDOW"), Some("120s"));
        assert!(text.ends_with("NEW=1\n"), "{text}");
    }

    #[test]
    fn a_file_that_is_there_is_left_alone_unless_told_otherwise_and_keeps_its_key_then() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("env");
        std::fs::write(&path, "OWN=1\nFJMCP_BROKER_ENCRYPTION_KEYS=mine\nID=old\n").unwrap();
        let error = EnvFile::open(&path, false).err().unwrap().to_string();
        assert!(error.contains("--replace"), "{error}");
        assert!(EnvFile::open(&path, true).unwrap().write(&[("ID", "new")], KEY).unwrap());
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "OWN=1\nFJMCP_BROKER_ENCRYPTION_KEYS=mine\nID=new\n");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_is_not_followed_and_what_was_begun_is_taken_back() {
        let folder = tempfile::tempdir().unwrap();
        let (path, target) = (folder.path().join("env"), folder.path().join("target"));
        std::os::unix::fs::symlink(&target, &path).unwrap();
        assert!(EnvFile::open(&path, false).is_err());
        assert!(!target.exists());
        let other = folder.path().join("other");
        EnvFile::open(&other, false).unwrap().abandon();
        assert!(!other.exists());
    }
}

//! Whether the store's folder can be written to, found out by writing.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::Path;

use super::problem::Fault;

/// Makes and removes a file beside the store, as SQLite will do with its journal.
///
/// Permission bits alone would not tell: read-only mounts, quotas and security modules refuse too.
pub(super) fn probe_store(path: &Path) -> Result<(), Fault> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let shown = folder.display();
    if path.is_dir() {
        return Err(Fault::new(format!("{} is a folder", path.display()), "name the file that shall hold the store"));
    }
    let probe = folder.join(format!(".fjmcp-broker-probe-{}", std::process::id()));
    let created = OpenOptions::new().write(true).create(true).truncate(true).open(&probe);
    if let Err(error) = created {
        let remedy = match error.kind() {
            ErrorKind::NotFound => {
                format!("make the folder (mkdir -p {shown}) or name another one")
            }
            _ => format!("let the user that runs the broker write to {shown}, or name another folder"),
        };
        return Err(Fault::new(format!("cannot write to the folder {shown}: {error}"), remedy));
    }
    std::fs::remove_file(&probe)
        .map_err(|error| Fault::new(format!("cannot remove a file from the folder {shown}: {error}"), "allow it"))?;
    match OpenOptions::new().read(true).append(true).open(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Fault::new(
            format!("cannot write to {}: {error}", path.display()),
            "give the file to the user that runs the broker",
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writable_folder_passes_and_nothing_is_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        probe_store(&folder.path().join("broker.db")).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_missing_folder_is_told_with_the_command_that_makes_it() {
        let folder = tempfile::tempdir().unwrap();
        let fault = probe_store(&folder.path().join("missing/broker.db")).unwrap_err();
        assert!(fault.remedy.contains("mkdir -p"), "{}", fault.remedy);
    }

    #[test]
    fn a_folder_cannot_be_the_store() {
        let folder = tempfile::tempdir().unwrap();
        assert!(probe_store(folder.path()).unwrap_err().wrong.contains("is a folder"));
    }

    #[test]
    fn a_folder_in_which_no_file_can_be_made_is_refused() {
        // Even root cannot make a file there.
        let fault = probe_store(Path::new("/proc/self/broker.db")).unwrap_err();
        assert!(fault.wrong.contains("cannot write to the folder /proc/self"), "{}", fault.wrong);
    }
}

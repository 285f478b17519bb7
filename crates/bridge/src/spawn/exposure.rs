//! Paths that a profile may not give to workers: those that lead to the broker's own store.

use std::path::Path;

use super::StartError;
use crate::profile::WorkerProfile;

/// Checks that each allowed path is there and does not contain the state directory.
pub(super) fn check(profile: &WorkerProfile, state_dir: Option<&Path>) -> Result<(), StartError> {
    let state_dir = state_dir.and_then(|path| path.canonicalize().ok());
    for path in &profile.allowed_paths {
        let wrong =
            |reason: String| StartError::AllowedPath { profile: profile.name.clone(), path: path.clone(), reason };
        if !path.is_absolute() {
            return Err(wrong("is relative; give the full path".to_owned()));
        }
        let real = path.canonicalize().map_err(|error| wrong(format!("can't be used: {error}")))?;
        if state_dir.as_deref().is_some_and(|state| state.starts_with(&real) || real.starts_with(state)) {
            return Err(wrong("leads to the broker's state directory; name what the program needs".to_owned()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Preset;

    fn outcome(path: &Path, state_dir: &Path) -> Result<(), String> {
        let profile = WorkerProfile { allowed_paths: vec![path.into()], ..Preset::Custom.profile() };
        check(&profile, Some(state_dir)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_path_that_leads_to_the_state_directory_or_nowhere_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let [state, server] = ["state", "server"].map(|name| root.path().join(name));
        for directory in [&state, &server] {
            std::fs::create_dir_all(directory.join("inside")).unwrap();
        }
        assert_eq!(outcome(&server, &state), Ok(()));
        let link = root.path().join("link");
        std::os::unix::fs::symlink(root.path(), &link).unwrap();
        for path in [root.path(), &state, &state.join("inside"), &link, Path::new("/")] {
            let text = outcome(path, &state).unwrap_err();
            assert!(text.contains("state directory"), "{text}");
        }
        assert!(outcome(Path::new("server"), &state).unwrap_err().contains("full path"));
        assert!(outcome(&root.path().join("nowhere"), &state).unwrap_err().contains("No such file"));
    }
}

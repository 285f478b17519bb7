//! The launcher's command line, written and read in one place.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use super::{Launch, SUBCOMMAND};
use crate::cage::{Cage, Limits};

const PARENT_PID: &str = "--parent-pid";
const RUNG: &str = "--rung";
const OPEN_FILES: &str = "--open-files";
const FILE_SIZE: &str = "--file-size";
const DATA: &str = "--data";
const END: &str = "--";

/// The launcher was called in a way that no broker of this version calls it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum LauncherArgumentError {
    /// An option that is none.
    #[error("unknown option {0:?}; this subcommand is for the broker itself")]
    Unknown(String),
    /// An option without its value.
    #[error("option {0} needs a value")]
    NoValue(&'static str),
    /// A value that is not a number, or out of its range.
    #[error("option {option}: {value:?} is not a number it can take")]
    BadNumber {
        /// The option.
        option: &'static str,
        /// What was given.
        value: String,
    },
    /// An option that has to be there.
    #[error("option {0} is missing; this subcommand is for the broker itself")]
    Missing(&'static str),
    /// A rung that this build does not have.
    #[error("rung {0} is unknown to this build")]
    UnknownRung(u64),
    /// Nothing after `--`.
    #[error("no program after --")]
    NoProgram,
    /// The program's path is relative; the working directory changes before it runs.
    #[error("the program's path {0} is not absolute")]
    RelativeProgram(PathBuf),
}

pub(super) fn write(launch: &Launch) -> Vec<OsString> {
    let mut argv: Vec<OsString> = vec![SUBCOMMAND.into()];
    let mut option = |name: &str, value: u64| argv.extend([name.into(), value.to_string().into()]);
    option(PARENT_PID, launch.parent_pid.into());
    match &launch.cage {
        Cage::None => option(RUNG, 0),
        Cage::Basic(limits) => {
            option(RUNG, 1);
            option(OPEN_FILES, limits.open_files);
            option(FILE_SIZE, limits.file_size_bytes);
            option(DATA, limits.data_bytes);
        }
    }
    argv.push(END.into());
    argv.push(launch.program.clone().into());
    argv.extend(launch.args.iter().cloned());
    argv
}

pub(super) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Launch, LauncherArgumentError> {
    let mut args = args.into_iter();
    let mut given = Given::default();
    loop {
        let Some(name) = args.next() else {
            return Err(LauncherArgumentError::NoProgram);
        };
        if name == OsStr::new(END) {
            break;
        }
        let (option, place) = given.place_of(&name)?;
        *place = Some(number(option, args.next())?);
    }
    let program = PathBuf::from(args.next().ok_or(LauncherArgumentError::NoProgram)?);
    if !program.is_absolute() {
        return Err(LauncherArgumentError::RelativeProgram(program));
    }
    given.launch(program, args.collect())
}

fn number(option: &'static str, value: Option<OsString>) -> Result<u64, LauncherArgumentError> {
    let value = value.ok_or(LauncherArgumentError::NoValue(option))?;
    let parsed = value.to_str().and_then(|text| text.parse().ok());
    parsed.ok_or_else(|| LauncherArgumentError::BadNumber { option, value: value.to_string_lossy().into_owned() })
}

#[derive(Default)]
struct Given {
    parent_pid: Option<u64>,
    rung: Option<u64>,
    open_files: Option<u64>,
    file_size: Option<u64>,
    data: Option<u64>,
}

// === impl Given ===

impl Given {
    fn place_of(&mut self, name: &OsStr) -> Result<(&'static str, &mut Option<u64>), LauncherArgumentError> {
        match name.to_str() {
            Some(PARENT_PID) => Ok((PARENT_PID, &mut self.parent_pid)),
            Some(RUNG) => Ok((RUNG, &mut self.rung)),
            Some(OPEN_FILES) => Ok((OPEN_FILES, &mut self.open_files)),
            Some(FILE_SIZE) => Ok((FILE_SIZE, &mut self.file_size)),
            Some(DATA) => Ok((DATA, &mut self.data)),
            _ => Err(LauncherArgumentError::Unknown(name.to_string_lossy().into_owned())),
        }
    }

    fn launch(self, program: PathBuf, args: Vec<OsString>) -> Result<Launch, LauncherArgumentError> {
        let needed = |value: Option<u64>, option| value.ok_or(LauncherArgumentError::Missing(option));
        let parent = needed(self.parent_pid, PARENT_PID)?;
        let parent_pid = u32::try_from(parent)
            .map_err(|_| LauncherArgumentError::BadNumber { option: PARENT_PID, value: parent.to_string() })?;
        let cage = match needed(self.rung, RUNG)? {
            0 => Cage::None,
            1 => Cage::Basic(Limits {
                open_files: needed(self.open_files, OPEN_FILES)?,
                file_size_bytes: needed(self.file_size, FILE_SIZE)?,
                data_bytes: needed(self.data, DATA)?,
            }),
            other => return Err(LauncherArgumentError::UnknownRung(other)),
        };
        Ok(Launch { parent_pid, cage, program, args })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch(cage: Cage) -> Launch {
        Launch {
            parent_pid: 7,
            cage,
            program: "/bin/server".into(),
            args: vec!["--".into(), "--rung".into(), "x y".into()],
        }
    }

    fn parse_words(words: &str) -> Result<Launch, LauncherArgumentError> {
        parse(words.split(' ').map(OsString::from))
    }

    #[test]
    fn what_is_written_is_read_back_whatever_the_program_s_arguments_look_like() {
        for cage in [Cage::None, Cage::Basic(Limits::default())] {
            let launch = launch(cage);
            let argv = write(&launch);
            assert_eq!(argv[0], SUBCOMMAND);
            assert_eq!(parse(argv.into_iter().skip(1)), Ok(launch));
        }
    }

    #[test]
    fn each_mistake_is_named() {
        let text = |words| parse_words(words).unwrap_err().to_string();
        assert!(text("--root /").contains("\"--root\""));
        assert!(text("--parent-pid").contains("--parent-pid needs a value"));
        assert!(text("--parent-pid x").contains("\"x\""));
        assert!(text("--parent-pid 99999999999 --rung 0 -- /bin/a").contains("99999999999"));
        assert!(text("--parent-pid 1 -- /bin/a").contains("--rung is missing"));
        assert!(text("--parent-pid 1 --rung 1 -- /bin/a").contains("--open-files is missing"));
        assert!(text("--parent-pid 1 --rung 9 -- /bin/a").contains("rung 9"));
        assert!(text("--parent-pid 1 --rung 0 --").contains("no program"));
        assert!(text("--parent-pid 1 --rung 0").contains("no program"));
        assert!(text("--parent-pid 1 --rung 0 -- a").contains("not absolute"));
    }
}

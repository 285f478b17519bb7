//! The launcher's command line, written and read in one place.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use super::{Errand, Launch, SUBCOMMAND};
use crate::cage::{Allowed, Cage, Limits, Right, Rung, Seal};

const PARENT_PID: &str = "--parent-pid";
const RUNG: &str = "--rung";
const OPEN_FILES: &str = "--open-files";
const FILE_SIZE: &str = "--file-size";
const DATA: &str = "--data";
const TASKS: &str = "--tasks";
const GATEWAY_PORT: &str = "--gateway-port";
const MAY_FORK: &str = "--may-fork";
const READ: &str = "--read";
const EXECUTE: &str = "--execute";
const DISCARD: &str = "--discard";
const TRY: &str = "--try";
const END: &str = "--";

const NUMBERS: [&str; 8] = [PARENT_PID, RUNG, OPEN_FILES, FILE_SIZE, DATA, TASKS, GATEWAY_PORT, MAY_FORK];
const FILES: [(&str, Right); 3] = [(READ, Right::Read), (EXECUTE, Right::Execute), (DISCARD, Right::Discard)];

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

/// What was given: numbers in the order of [`NUMBERS`], and files.
#[derive(Default)]
struct Given {
    numbers: [Option<u64>; NUMBERS.len()],
    files: Vec<Allowed>,
}

pub(super) fn write(launch: &Launch) -> Vec<OsString> {
    let mut argv: Vec<OsString> = vec![SUBCOMMAND.into()];
    let mut option = |name: &str, value: u64| argv.extend([name.into(), value.to_string().into()]);
    option(PARENT_PID, launch.parent_pid.into());
    option(RUNG, launch.cage.rung().number().into());
    let (limits, seal) = match &launch.cage {
        Cage::None => (None, None),
        Cage::Basic(limits) => (Some(limits), None),
        Cage::Sealed(limits, seal) | Cage::Apart(limits, seal) => (Some(limits), Some(seal)),
    };
    if let Some(limits) = limits {
        option(OPEN_FILES, limits.open_files);
        option(FILE_SIZE, limits.file_size_bytes);
        option(DATA, limits.data_bytes);
        option(TASKS, limits.tasks);
    }
    if let Some(seal) = seal {
        option(GATEWAY_PORT, seal.gateway_port.into());
        option(MAY_FORK, seal.may_fork.into());
        for file in &seal.files {
            let name = FILES.iter().find(|(_, right)| *right == file.right).map_or(READ, |(name, _)| *name);
            argv.extend([name.into(), file.path.clone().into()]);
        }
    }
    match &launch.errand {
        Errand::Try => argv.push(TRY.into()),
        Errand::Run { program, args } => {
            argv.push(END.into());
            argv.push(program.into());
            argv.extend(args.iter().cloned());
        }
    }
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
        if name == OsStr::new(TRY) {
            return given.launch(Errand::Try);
        }
        given.take(&name, args.next())?;
    }
    let program = PathBuf::from(args.next().ok_or(LauncherArgumentError::NoProgram)?);
    if !program.is_absolute() {
        return Err(LauncherArgumentError::RelativeProgram(program));
    }
    given.launch(Errand::Run { program, args: args.collect() })
}

fn number(option: &'static str, value: &OsStr) -> Result<u64, LauncherArgumentError> {
    let parsed = value.to_str().and_then(|text| text.parse().ok());
    parsed.ok_or_else(|| LauncherArgumentError::BadNumber { option, value: value.to_string_lossy().into_owned() })
}

// === impl Given ===

impl Given {
    fn take(&mut self, name: &OsStr, value: Option<OsString>) -> Result<(), LauncherArgumentError> {
        if let Some((option, right)) = FILES.into_iter().find(|(option, _)| name == OsStr::new(option)) {
            let path = value.ok_or(LauncherArgumentError::NoValue(option))?.into();
            self.files.push(Allowed { path, right });
            return Ok(());
        }
        let known = NUMBERS.into_iter().zip(&mut self.numbers).find(|(option, _)| name == OsStr::new(option));
        let (option, place) =
            known.ok_or_else(|| LauncherArgumentError::Unknown(name.to_string_lossy().into_owned()))?;
        *place = Some(number(option, &value.ok_or(LauncherArgumentError::NoValue(option))?)?);
        Ok(())
    }

    fn number(&self, option: &'static str) -> Result<u64, LauncherArgumentError> {
        let given = NUMBERS.iter().zip(&self.numbers).find(|(known, _)| **known == option);
        given.and_then(|(_, value)| *value).ok_or(LauncherArgumentError::Missing(option))
    }

    /// A number that has to fit a narrower type.
    fn narrow<T: TryFrom<u64>>(&self, option: &'static str) -> Result<T, LauncherArgumentError> {
        let number = self.number(option)?;
        number.try_into().map_err(|_| LauncherArgumentError::BadNumber { option, value: number.to_string() })
    }

    fn limits(&self) -> Result<Limits, LauncherArgumentError> {
        Ok(Limits {
            open_files: self.number(OPEN_FILES)?,
            file_size_bytes: self.number(FILE_SIZE)?,
            data_bytes: self.number(DATA)?,
            tasks: self.number(TASKS)?,
        })
    }

    fn seal(&mut self) -> Result<Seal, LauncherArgumentError> {
        Ok(Seal {
            gateway_port: self.narrow(GATEWAY_PORT)?,
            may_fork: self.number(MAY_FORK)? != 0,
            files: std::mem::take(&mut self.files),
        })
    }

    fn launch(mut self, errand: Errand) -> Result<Launch, LauncherArgumentError> {
        let rung = self.number(RUNG)?;
        let known = [Rung::None, Rung::Basic, Rung::Sealed, Rung::Apart];
        let cage = match known.into_iter().find(|known| u64::from(known.number()) == rung) {
            Some(Rung::None) => Cage::None,
            Some(Rung::Basic) => Cage::Basic(self.limits()?),
            Some(Rung::Sealed) => Cage::Sealed(self.limits()?, self.seal()?),
            Some(Rung::Apart) => Cage::Apart(self.limits()?, self.seal()?),
            None => return Err(LauncherArgumentError::UnknownRung(rung)),
        };
        Ok(Launch { parent_pid: self.narrow(PARENT_PID)?, cage, errand })
    }
}

#[cfg(test)]
mod tests;

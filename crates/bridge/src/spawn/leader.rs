//! The first process of a worker's process group.

use std::io;
use std::process::{Command, ExitStatus};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout};

use super::children;
use crate::procfs;

/// A process that leads its group. Dropping it kills the group: that is the net below the stop ladder, for a runtime that
/// ends with workers alive.
pub(super) struct Leader {
    child: Child,
    group: Group,
}

/// A process group, by the pid of its leader.
///
/// Signals are sent as long as the leader's status has not been taken, which keeps its pid from becoming anybody else's, and
/// once more right after that: the group's other members keep the number taken, and if there are none, the kernel, which
/// gives numbers out in a circle, does not come back to this one meanwhile.
#[derive(Clone, Copy)]
pub(super) struct Group(Pid);

pub(super) struct Pipes {
    pub(super) stdin: ChildStdin,
    pub(super) stdout: ChildStdout,
    pub(super) stderr: ChildStderr,
}

// === impl Leader ===

impl Leader {
    /// Starts the process; has to be called in a runtime's context. The command has to make it a group leader and give it
    /// three pipes, or two if the broker's end of its stdin is there already.
    pub(super) fn start(command: Command, stdin: Option<ChildStdin>) -> io::Result<(Self, Pipes)> {
        let mut child = children::spawn(command)?;
        let pid = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
        let group = Group(pid.ok_or_else(|| io::Error::other("a new process without pid"))?);
        let (stdin, stdout, stderr) = (stdin.or(child.stdin.take()), child.stdout.take(), child.stderr.take());
        let leader = Self { child, group };
        let missing = || io::Error::other("a pipe is missing");
        let pipes = Pipes {
            stdin: stdin.ok_or_else(missing)?,
            stdout: stdout.ok_or_else(missing)?,
            stderr: stderr.ok_or_else(missing)?,
        };
        Ok((leader, pipes))
    }

    pub(super) fn pid(&self) -> u32 {
        self.group.0.as_raw_pid().cast_unsigned()
    }

    pub(super) fn group(&self) -> Group {
        self.group
    }

    /// `None` if `/proc` does not show it.
    pub(super) fn start_time(&self) -> Option<u64> {
        procfs::stat(self.pid()).map(|stat| stat.start_time)
    }

    /// Returns when the process has ended and what was left of its group is killed. An error means that the runtime ends.
    pub(super) async fn ended(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await;
        self.group.signal(Signal::KILL);
        status
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        // Tokio takes the status of a child that is dropped, as long as there is a runtime, and has the pid while it does.
        if self.child.id().is_some() {
            self.group.signal(Signal::KILL);
        }
        children::forget(self.pid());
    }
}

// === impl Group ===

impl Group {
    pub(super) fn signal(self, signal: Signal) {
        // The only error there can be is that all of the group has ended.
        let _ = kill_process_group(self.0, signal);
        self.signal_strayed_leader(signal);
    }

    /// Where nothing keeps it from doing so, a worker can leave its group, and join the broker's.
    fn signal_strayed_leader(self, signal: Signal) {
        let pid = self.0.as_raw_pid().cast_unsigned();
        // A leader whose status has been taken is nobody's child.
        let strayed = |stat: &procfs::Stat| stat.group != pid && stat.parent == std::process::id();
        if procfs::stat(pid).as_ref().is_some_and(strayed) {
            // The only error there can be is that it has ended.
            let _ = kill_process(self.0, signal);
        }
    }
}

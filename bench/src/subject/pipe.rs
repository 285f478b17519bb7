//! The floor: lines to the child and back, by blocking reads and writes.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

use super::{Running, Way, child, name};
use crate::load::{Taken, histogram};

/// The child with nothing before it.
pub struct Pipe {
    process: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    next: u64,
}

// === impl Pipe ===

impl Pipe {
    /// Starts a child with this environment besides its usual one.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(variables: &[(&str, &str)]) -> Result<Self> {
        let mut command = Command::new(child()?);
        command.envs(variables.iter().copied()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().context("cannot start the echo child")?;
        let stdin = process.stdin.take().context("no stdin")?;
        let stdout = BufReader::with_capacity(256 * 1024, process.stdout.take().context("no stdout")?);
        Ok(Self { process, stdin, stdout, next: 1 })
    }

    /// As a subject.
    ///
    /// # Errors
    /// When the child does not start.
    pub fn running() -> Result<Running> {
        let pipe = Box::new(Self::start(&[])?);
        Ok(Running {
            name: name::PIPE,
            roots: Vec::new(),
            way: Way::Pipe(pipe),
            rest: None,
            door: None,
            alive: Box::new(()),
        })
    }

    /// One line there and one back.
    ///
    /// # Errors
    /// When the child has ended.
    pub fn round(&mut self, line: &str) -> Result<String> {
        self.stdin.write_all(format!("{line}\n").as_bytes())?;
        let mut answer = String::new();
        ensure!(self.stdout.read_line(&mut answer)? > 0, "the echo child has ended");
        Ok(answer)
    }

    /// `calls` echoes, so many under way at once.
    ///
    /// # Errors
    /// When an answer is wrong.
    pub fn echo(&mut self, callers: usize, calls: u64) -> Result<Taken> {
        let mut times = histogram()?;
        let mut open = VecDeque::new();
        let mut lines = Vec::new();
        let mut answer = String::new();
        let (mut sent, mut answered) = (0, 0);
        let began = Instant::now();
        while answered < calls {
            lines.clear();
            while sent < calls && open.len() < callers {
                self.next += 1;
                let id = self.next;
                writeln!(
                    lines,
                    r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"echo","arguments":{{"text":"The quick brown fox jumps over the lazy dog, and the lazy dog lets it. Pack my box with five dozen liquor jugs. {id}"}}}}}}"#
                )?;
                open.push_back((id, Instant::now()));
                sent += 1;
            }
            self.stdin.write_all(&lines)?;
            loop {
                answer.clear();
                ensure!(self.stdout.read_line(&mut answer)? > 0, "the echo child has ended");
                let (id, at) = open.pop_front().context("an answer too many")?;
                ensure!(
                    answer.contains(&format!("\"id\":{id},")) && answer.contains(&format!(" {id}\"}}]}}}}")),
                    "a wrong answer to {id}: {answer}"
                );
                times.saturating_record(u64::try_from(at.elapsed().as_nanos()).unwrap_or(u64::MAX));
                answered += 1;
                if self.stdout.buffer().is_empty() {
                    break;
                }
            }
        }
        Ok(Taken { times, whole: began.elapsed(), calls })
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

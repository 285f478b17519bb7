//! The few fields of `/proc/PID/stat` that tell processes apart (proc(5)).

use std::fs;

/// What a process is, at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    /// Field 3; `Z` is a zombie.
    pub(crate) state: char,
    /// Field 4.
    pub(crate) parent: u32,
    /// Field 5.
    pub(crate) group: u32,
    /// Field 20.
    pub(crate) threads: u64,
    /// Field 22, in clock ticks since the machine's start. A process keeps it through an exec; no two processes have had
    /// the same pid and start time.
    pub(crate) start_time: u64,
}

/// Reads a process's fields; `None` if there is no such process, or it may not be seen.
pub(crate) fn stat(pid: u32) -> Option<Stat> {
    parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The second field is the program's name in brackets, and may itself contain spaces and brackets.
fn parse(line: &str) -> Option<Stat> {
    let (_, rest) = line.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let parent = fields.next()?.parse().ok()?;
    let group = fields.next()?.parse().ok()?;
    let threads = fields.nth(14)?.parse().ok()?;
    let start_time = fields.nth(1)?.parse().ok()?;
    Some(Stat { state, parent, group, threads, start_time })
}

/// A process's children, as far as the kernel lists them.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_spaces_does_not_shift_the_fields() {
        let line = "42 (a) b (c)) S 7 42 40 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 5 0 987654 22 33";
        assert_eq!(parse(line), Some(Stat { state: 'S', parent: 7, group: 42, threads: 5, start_time: 987_654 }));
    }

    #[test]
    fn this_very_process_can_be_read() {
        let own = stat(std::process::id()).unwrap();
        assert!(own.start_time > 0 && own.state != 'Z');
    }

    #[test]
    fn nothing_is_made_up_for_a_line_that_is_cut_off() {
        assert_eq!(parse("42 (a) S 7 42"), None);
    }
}

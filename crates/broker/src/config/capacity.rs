//! How many workers there is room for, by what the system lets this process have.
//!
//! Memory and tasks are bounded by the control group (version 2) and all groups above it, by the machine, and, for an ordinary
//! user, by `RLIMIT_NPROC`; descriptors by the hard `RLIMIT_NOFILE`, up to which the broker raises its own. The smallest bound of
//! each kind counts. What a worker takes is an estimate on the safe side: the limits of the cage are higher, so that one worker
//! may need more for a while.

use std::fmt;
use std::path::{Path, PathBuf};

use rustix::process::{Resource, getrlimit, getuid};

const MIB: u64 = 1 << 20;
/// A native program such as forgejo-mcp takes 10 to 20 MiB.
const NATIVE_WORKER: u64 = 32 * MIB;
/// A program that an interpreter runs, or of which nothing is known.
const OTHER_WORKER: u64 = 128 * MIB;
/// For the broker itself.
const BROKER_MEMORY: u64 = 128 * MIB;
const TASKS_PER_WORKER: u64 = 16;
const BROKER_TASKS: u64 = 64;
/// Three pipes, the listener of its network, and connections to the gateway.
const DESCRIPTORS_PER_WORKER: u64 = 12;
const MOST_WORKERS: u64 = 500;
const MOST_WORKERS_PER_USER: usize = 16;

/// A bound and who set it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// Bytes, or a number.
    pub amount: u64,
    /// Such as `memory.max` or `MemTotal`.
    pub source: &'static str,
}

/// What the system lets this process have; `None` is unlimited or not known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capacity {
    /// Bytes of memory.
    pub memory: Option<Bound>,
    /// Processes and threads.
    pub tasks: Option<Bound>,
    /// Open descriptors.
    pub descriptors: Option<Bound>,
}

/// Numbers of live workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Workers {
    pub(super) in_total: usize,
    pub(super) per_user: usize,
}

// === impl Capacity ===

impl Capacity {
    /// As the system has it now.
    pub(super) fn of_this_process() -> Self {
        let limit = |resource, source| {
            let limit = getrlimit(resource);
            limit.maximum.map(|amount| Bound { amount, source })
        };
        let mut capacity = Self::read(Path::new("/"));
        capacity.descriptors = limit(Resource::Nofile, "RLIMIT_NOFILE");
        // The kernel does not hold root to it.
        if !getuid().is_root() {
            let own = getrlimit(Resource::Nproc).current.map(|amount| Bound { amount, source: "RLIMIT_NPROC" });
            capacity.tasks = smallest(capacity.tasks.into_iter().chain(own));
        }
        capacity
    }

    /// What files under `root` say.
    fn read(root: &Path) -> Self {
        let groups = control_groups(root);
        let of_groups = |name: &'static str| {
            let amounts = groups.iter().filter_map(move |group| number(&group.join(name)));
            amounts.map(move |amount| Bound { amount, source: name })
        };
        let machine = std::fs::read_to_string(root.join("proc/meminfo")).ok().and_then(|text| {
            let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
            let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
            Some(Bound { amount: kibibytes * 1024, source: "MemTotal" })
        });
        let kernel = ["threads-max", "pid_max"].into_iter().filter_map(|source| {
            let amount = number(&root.join("proc/sys/kernel").join(source))?;
            Some(Bound { amount, source })
        });
        Self {
            memory: smallest(of_groups("memory.max").chain(machine)),
            tasks: smallest(of_groups("pids.max").chain(kernel)),
            descriptors: None,
        }
    }

    /// How many workers of this profile there is room for; at least one.
    pub(super) fn workers(&self, profile: &str) -> Workers {
        let each = if matches!(profile, "forgejo-mcp" | "forgejo-mcp-rs") { NATIVE_WORKER } else { OTHER_WORKER };
        let amount = |bound: &Option<Bound>| bound.as_ref().map(|bound| bound.amount);
        // A quarter is left for what else runs within the same bounds.
        let memory = amount(&self.memory).map(|all| (all / 4 * 3).saturating_sub(BROKER_MEMORY) / each);
        let tasks = amount(&self.tasks).map(|all| (all / 4 * 3).saturating_sub(BROKER_TASKS) / TASKS_PER_WORKER);
        // Half of them are for connections.
        let descriptors = amount(&self.descriptors).map(|all| all / 2 / DESCRIPTORS_PER_WORKER);
        let room = [memory, tasks, descriptors].into_iter().flatten().fold(MOST_WORKERS, u64::min).max(1);
        let in_total = usize::try_from(room).unwrap_or(usize::MAX);
        let per_user = (in_total / 4).clamp(2.min(in_total), MOST_WORKERS_PER_USER);
        Workers { in_total, per_user }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.amount, self.source)
    }
}

fn smallest(bounds: impl Iterator<Item = Bound>) -> Option<Bound> {
    bounds.min_by_key(|bound| bound.amount)
}

/// The process's control group and all above it. In a container the group's path is that of the container's own view.
fn control_groups(root: &Path) -> Vec<PathBuf> {
    let text = std::fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let Some(path) = text.lines().find_map(|line| line.strip_prefix("0::/")) else {
        return Vec::new();
    };
    let mount = root.join("sys/fs/cgroup");
    let own = mount.join(path);
    own.ancestors().take_while(|group| group.starts_with(&mount)).map(Path::to_path_buf).collect()
}

/// `None` for `max` and for what is not there.
fn number(file: &Path) -> Option<u64> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    const MEMINFO: (&str, &str) = ("proc/meminfo", "MemTotal:       16384000 kB\nMemFree:  1 kB\n");

    #[test]
    fn the_smallest_bound_counts_whichever_group_above_has_set_it() {
        let root = machine(&[
            MEMINFO,
            ("proc/self/cgroup", "0::/system.slice/broker.service\n"),
            ("proc/sys/kernel/threads-max", "100000\n"),
            ("sys/fs/cgroup/system.slice/broker.service/memory.max", "max\n"),
            ("sys/fs/cgroup/system.slice/memory.max", "1073741824\n"),
            ("sys/fs/cgroup/system.slice/broker.service/pids.max", "512\n"),
            ("sys/fs/cgroup/system.slice/pids.max", "max\n"),
        ]);
        let capacity = Capacity::read(root.path());
        assert_eq!(capacity.memory, Some(Bound { amount: 1 << 30, source: "memory.max" }));
        assert_eq!(capacity.tasks, Some(Bound { amount: 512, source: "pids.max" }));
        assert_eq!(capacity.workers("forgejo-mcp"), Workers { in_total: 20, per_user: 5 });
        assert_eq!(capacity.workers("gitea-mcp-npm"), Workers { in_total: 5, per_user: 2 });
    }

    #[test]
    fn in_a_container_the_groups_own_files_are_at_the_top() {
        let root = machine(&[MEMINFO, ("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/memory.max", "268435456\n")]);
        let capacity = Capacity::read(root.path());
        assert_eq!(capacity.memory, Some(Bound { amount: 256 << 20, source: "memory.max" }));
        assert_eq!(capacity.workers("forgejo-mcp").in_total, 2);
    }

    #[test]
    fn without_control_groups_the_machine_is_the_bound_and_without_anything_there_is_a_ceiling() {
        let root = machine(&[MEMINFO, ("proc/self/cgroup", "1:memory:/x\n")]);
        assert_eq!(Capacity::read(root.path()).memory.unwrap().source, "MemTotal");
        assert_eq!(Capacity::default().workers("forgejo-mcp"), Workers { in_total: 500, per_user: 16 });
    }

    #[test]
    fn the_smallest_of_machines_has_room_for_one() {
        for amount in [0, 1, 100 << 20] {
            let bound = Some(Bound { amount, source: "memory.max" });
            let capacity = Capacity { memory: bound.clone(), tasks: bound, descriptors: None };
            assert_eq!(capacity.workers("custom"), Workers { in_total: 1, per_user: 1 });
        }
    }

    #[test]
    fn few_descriptors_are_a_bound_too() {
        let descriptors = Some(Bound { amount: 1024, source: "RLIMIT_NOFILE" });
        assert_eq!(Capacity { descriptors, ..Capacity::default() }.workers("forgejo-mcp").in_total, 42);
    }
}

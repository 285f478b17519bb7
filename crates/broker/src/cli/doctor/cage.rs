//! How well workers are caged here.

use bridge::cage::Rung;
use bridge::spawn::Spawner;

use super::finding::Finding;
use crate::config::CageMode;

pub(super) const CHECK: &str = "cage";

pub(super) fn examine(mode: CageMode, spawner: &Spawner) -> Finding {
    let rung = spawner.rung();
    let what = match rung {
        Rung::None => "a clean environment only",
        Rung::Basic => "no new privileges and resource limits, but no limit on files, network and system calls",
        Rung::Sealed => "files, ports and system calls by list, on the machine's own network",
        Rung::Apart => "files and system calls by list, in a network that has only the gateway",
    };
    let seen = format!("workers run on rung {} of 3: {what}", rung.number());
    let missing = spawner.next_rung().map(|reason| format!("; the next one fails: {reason}")).unwrap_or_default();
    match (mode, rung) {
        (_, Rung::Apart) => Finding::ok(CHECK, seen),
        (CageMode::Off, _) => {
            Finding::warn(CHECK, format!("worker-cage=off: {seen}"), "set worker-cage=auto; off is for finding a fault")
        }
        (_, Rung::Sealed) => Finding::ok(CHECK, format!("{seen}{missing}")),
        _ => Finding::warn(
            CHECK,
            format!("{seen}{missing}"),
            "use a kernel of 5.13 or newer with Landlock (lsm=landlock,…) and, in a container, a seccomp profile that lets it through",
        ),
    }
}

//! How many files and connections the process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// More than any configuration of ours needs.
const ENOUGH: u64 = 65_536;

/// Raises the soft limit on open files as far as the system lets us: the usual 1024 is less than our connections and workers need.
///
/// Workers get limits of their own from their launcher. Failing changes nothing: connections then wait.
pub fn raise_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.unwrap_or(ENOUGH).min(ENOUGH);
    if current.is_some_and(|current| current < wanted)
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum })
    {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            limit = wanted,
            "cannot raise the limit on open files"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_as_high_as_the_system_lets_it_be() {
        raise_limit();
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        assert!(current.unwrap_or(u64::MAX) >= maximum.unwrap_or(ENOUGH).min(ENOUGH));
    }
}

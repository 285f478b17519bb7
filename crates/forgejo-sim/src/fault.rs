//! Faults that tests order: for which requests, how often, and what goes wrong.

use std::time::Duration;

use parking_lot::Mutex;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The request is read and never answered.
    Hang,
    /// The answer is held back for this long.
    Slow(Duration),
    /// An answer with this status and a plain text body; nothing else happens.
    Status(u16),
    /// The connection is reset before anything happens.
    Reset,
    /// The request is carried out, then the connection is reset: a rotation committed, its answer lost.
    DropAnswer,
    /// The request is carried out and never answered: a rotation committed, its answer still on the way.
    HoldAnswer,
}

/// A fault and the requests that it meets.
#[derive(Clone, Debug)]
pub struct FaultRule {
    /// What goes wrong.
    pub fault: Fault,
    /// Only requests with this method; `None` meets all.
    pub method: Option<String>,
    /// Only paths (below the root URL, with leading slash) that begin so; `"/"` meets all.
    pub path_prefix: String,
    /// How many requests it meets; `None` is without end.
    pub times: Option<usize>,
}

/// The rules in force; the first that fits is used.
#[derive(Default)]
pub(crate) struct Faults(Mutex<Vec<FaultRule>>);

// === impl FaultRule ===

impl FaultRule {
    /// A fault for all requests whose path begins with `path_prefix`, until [`crate::RunningSim::clear_faults`].
    #[must_use]
    pub fn on(path_prefix: impl Into<String>, fault: Fault) -> Self {
        Self { fault, method: None, path_prefix: path_prefix.into(), times: None }
    }

    /// Only this many times.
    #[must_use]
    pub fn times(mut self, times: usize) -> Self {
        self.times = Some(times);
        self
    }

    /// Only for this method.
    #[must_use]
    pub fn method(mut self, method: impl Into<String>) -> Self {
        self.method = Some(method.into());
        self
    }
}

// === impl Faults ===

impl Faults {
    pub(crate) fn add(&self, rule: FaultRule) {
        self.0.lock().push(rule);
    }

    pub(crate) fn clear(&self) {
        self.0.lock().clear();
    }

    /// The fault that meets this request; counts it.
    pub(crate) fn meet(&self, method: &str, path: &str) -> Option<Fault> {
        let mut rules = self.0.lock();
        let fits = |rule: &FaultRule| {
            rule.times != Some(0)
                && rule.method.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
                && path.starts_with(&rule.path_prefix)
        };
        let rule = rules.iter_mut().find(|rule| fits(rule))?;
        if let Some(left) = &mut rule.times {
            *left -= 1;
        }
        Some(rule.fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_meets_only_its_requests_and_only_so_often() {
        let faults = Faults::default();
        faults.add(FaultRule::on("/api/", Fault::Status(500)).times(1).method("get"));
        assert_eq!(faults.meet("POST", "/api/v1/user"), None);
        assert_eq!(faults.meet("GET", "/user"), None);
        assert_eq!(faults.meet("GET", "/api/v1/user"), Some(Fault::Status(500)));
        assert_eq!(faults.meet("GET", "/api/v1/user"), None);
    }
}

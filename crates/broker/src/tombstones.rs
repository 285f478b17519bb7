//! What has just ended, kept for as long as a request that began before may still bring it back into a cache.

use std::collections::HashSet;
use std::hash::Hash;

/// Two generations of ended things. Each [`Self::age`] forgets the older one.
#[derive(Debug)]
pub(crate) struct Tombstones<T> {
    young: HashSet<T>,
    old: HashSet<T>,
}

// === impl Tombstones ===

impl<T> Default for Tombstones<T> {
    fn default() -> Self {
        Self { young: HashSet::new(), old: HashSet::new() }
    }
}

impl<T: Eq + Hash> Tombstones<T> {
    /// Notes an end.
    pub(crate) fn bury(&mut self, thing: T) {
        self.young.insert(thing);
    }

    /// Whether it ended within the last one or two generations.
    pub(crate) fn has<Q>(&self, thing: &Q) -> bool
    where
        T: std::borrow::Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.young.contains(thing) || self.old.contains(thing)
    }

    /// Begins a new generation. To be called less often than a request may take.
    pub(crate) fn age(&mut self) {
        self.old = std::mem::take(&mut self.young);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_remembered_for_at_least_one_whole_generation() {
        let mut ended = Tombstones::default();
        ended.bury("a");
        ended.age();
        assert!(ended.has("a"));
        ended.age();
        assert!(!ended.has("a"));
    }
}

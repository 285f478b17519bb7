//! What has just ended or changed, kept for as long as a request that began before may still bring the old state back into a cache.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

/// Two generations of ended things, each with what is left to say of it. Each [`Self::age`] forgets the older one.
#[derive(Debug)]
pub(crate) struct Tombstones<T, E = ()> {
    young: HashMap<T, E>,
    old: HashMap<T, E>,
}

// === impl Tombstones ===

impl<T, E> Default for Tombstones<T, E> {
    fn default() -> Self {
        Self { young: HashMap::new(), old: HashMap::new() }
    }
}

impl<T: Eq + Hash, E> Tombstones<T, E> {
    /// Notes an end, or a change to `epitaph`.
    pub(crate) fn bury(&mut self, thing: T, epitaph: E) {
        self.young.insert(thing, epitaph);
    }

    /// What was last noted of it within the last one or two generations.
    pub(crate) fn get<Q>(&self, thing: &Q) -> Option<&E>
    where
        T: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.young.get(thing).or_else(|| self.old.get(thing))
    }

    /// Whether anything was noted of it within the last one or two generations.
    pub(crate) fn has<Q>(&self, thing: &Q) -> bool
    where
        T: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.get(thing).is_some()
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
        ended.bury("a", ());
        ended.age();
        assert!(ended.has("a"));
        ended.age();
        assert!(!ended.has("a"));
    }

    #[test]
    fn the_last_change_counts() {
        let mut changed = Tombstones::default();
        changed.bury("a", 1);
        changed.age();
        changed.bury("a", 2);
        assert_eq!(changed.get("a"), Some(&2));
    }
}

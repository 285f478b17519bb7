//! What is known of the worker's program, per version of it.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::era::modern::offer::Offer;

/// Versions that are remembered; there is one, and for a while two after an upgrade.
const MAX_VERSIONS: usize = 8;

/// The records. Kept in memory: the first worker after a start makes them anew.
#[derive(Default)]
pub(crate) struct Programs(Mutex<HashMap<Arc<str>, Arc<Offer>>>);

// === impl Programs ===

impl Programs {
    pub(crate) fn offer(&self, version: &Arc<str>) -> Option<Arc<Offer>> {
        self.0.lock().get(version).cloned()
    }

    pub(crate) fn learned(&self, version: &Arc<str>, offer: Offer) -> Arc<Offer> {
        let mut known = self.0.lock();
        if known.len() >= MAX_VERSIONS && !known.contains_key(version) {
            known.clear();
        }
        let offer = Arc::new(offer);
        known.insert(version.clone(), offer.clone());
        offer
    }
}

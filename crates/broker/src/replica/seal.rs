//! What clients carry from one replica to another, sealed under the key ring, which all of them have.

use bridge::replica::StateSeal;
use store::Store;

/// [`StateSeal`] under the ring in use.
pub(crate) struct RingSeal(pub(crate) Store);

impl StateSeal for RingSeal {
    fn seal(&self, bound_to: &[u8], state: &[u8]) -> Option<Vec<u8>> {
        self.0.keys().seal(state, bound_to).ok()
    }

    fn open(&self, bound_to: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        self.0.keys().open(sealed, bound_to).ok().map(|opened| opened.to_vec())
    }
}

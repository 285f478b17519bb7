//! Which worker serves a request without a session, by what the program speaks.

use std::sync::Arc;

use super::Supervisor;
use crate::era::modern::driver::Driver;
use crate::era::native::Native;
use crate::refusal::Refusal;
use crate::reply::Principal;
use crate::speech::Tongue;

// === impl Supervisor ===

impl Supervisor {
    /// The way of a client of 2026-07-28 to its grant's worker.
    pub(crate) async fn driver(&self, who: &Principal) -> Result<Arc<dyn Driver>, Refusal> {
        self.admit(who)?;
        match self.shop.speech_at_hand().await?.for_shared() {
            Tongue::Handshake => Ok(self.shared(who)?),
            Tongue::Stateless => Ok(self.native(who)?),
        }
    }

    /// The grant's worker of 2026-07-28.
    pub(crate) fn native(&self, who: &Principal) -> Result<Arc<Native>, Refusal> {
        let mut native = self.native.lock();
        // Whoever ends the grant from here on waits for the lock.
        self.admit(who)?;
        Ok(native.entry(who.grant.clone()).or_insert_with(|| Native::new(&self.shop, who)).clone())
    }
}

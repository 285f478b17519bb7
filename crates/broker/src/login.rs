//! A login under way at Forgejo: what has to survive until the browser comes back, also across a restart.

use oauth::authorize::AuthorizationRequest;
use oauth::pkce::OwnVerifier;
use oauth::token::TokenHash;
use serde::{Deserialize, Serialize};
use store::KeyRing;

/// The consented request and our own verifier; stored sealed, bound to the state it belongs to.
#[derive(Serialize, Deserialize)]
pub(crate) struct PendingLogin {
    /// What the user consented to.
    pub(crate) request: AuthorizationRequest,
    /// PKCE verifier of the upstream leg.
    pub(crate) verifier: String,
}

// === impl PendingLogin ===

impl PendingLogin {
    pub(crate) fn new(request: AuthorizationRequest, verifier: &OwnVerifier) -> Self {
        Self { request, verifier: verifier.expose().to_owned() }
    }

    /// Seals the login for its row.
    pub(crate) fn seal(&self, state: &TokenHash, keys: &KeyRing) -> Option<Vec<u8>> {
        let json = zeroize::Zeroizing::new(serde_json::to_vec(self).ok()?);
        keys.seal(&json, &associated_data(state)).ok()
    }

    /// Opens what [`Self::seal`] made for the same state.
    pub(crate) fn open(sealed: &[u8], state: &TokenHash, keys: &KeyRing) -> Option<Self> {
        let json = keys.open(sealed, &associated_data(state)).ok()?;
        serde_json::from_slice(&json).ok()
    }
}

fn associated_data(state: &TokenHash) -> Vec<u8> {
    store::seal::row_aad("authorizations", "sealed_request", &hex::encode(state.as_bytes()))
}

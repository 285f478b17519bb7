//! Forgejo credentials on the store.

use std::sync::Arc;

use forgejo::credential_store::{CredentialStore, CredentialStoreUnavailable, IssuedPair, StoredCredential};
use forgejo::oauth_client::TokenHints;
use forgejo::token_source::KnownIdentity;
use futures_util::future::BoxFuture;
use oauth::clock::Timestamp;
use oauth::id::UserId;
use secrecy::{ExposeSecret as _, SecretString};
use store::credentials::{CredentialRow, Due, NewCredential};
use store::{Store, StoreError};

/// [`CredentialStore`] on [`Store`].
pub(crate) struct StoredCredentials(pub(crate) Store);

type Answer<'a, T> = BoxFuture<'a, Result<T, CredentialStoreUnavailable>>;

impl CredentialStore for StoredCredentials {
    fn load(&self, user: Arc<str>) -> Answer<'_, Option<StoredCredential>> {
        Box::pin(async move {
            let row = self.0.credential(&UserId::from(Arc::clone(&user))).await.map_err(|error| unavailable(&error))?;
            if let Some(why) = row.as_ref().and_then(|row| row.unreadable.as_ref()) {
                tracing::error!(
                    user.id = %user,
                    reason = %why,
                    "a stored login at Forgejo can't be read; its user has to log in again unless the key comes back"
                );
            }
            Ok(row.map(credential))
        })
    }

    fn lease(&self, user: Arc<str>, version: i64, owner: String, now: i64, until: i64) -> Answer<'_, bool> {
        Box::pin(async move {
            let user = UserId::from(user);
            self.0
                .take_lease(&user, version, &owner, Timestamp(now), Timestamp(until))
                .await
                .map_err(|error| unavailable(&error))
        })
    }

    fn release(&self, user: Arc<str>, owner: String) -> Answer<'_, ()> {
        Box::pin(
            async move { self.0.release_lease(&UserId::from(user), &owner).await.map_err(|error| unavailable(&error)) },
        )
    }

    fn save(&self, user: Arc<str>, version: i64, pair: IssuedPair) -> Answer<'_, bool> {
        Box::pin(async move {
            self.0
                .save_credential(&UserId::from(user), version, &new_credential(&pair))
                .await
                .map_err(|error| unavailable(&error))
        })
    }

    fn mark_dead(&self, user: Arc<str>, version: i64, reason: String) -> Answer<'_, bool> {
        Box::pin(async move {
            self.0.mark_dead(&UserId::from(user), version, &reason).await.map_err(|error| unavailable(&error))
        })
    }

    fn due(
        &self,
        refreshed_before: i64,
        expires_before: i64,
        active_since: i64,
        limit: u32,
    ) -> Answer<'_, Vec<Arc<str>>> {
        Box::pin(async move {
            let due = Due {
                refreshed_before: Timestamp(refreshed_before),
                expires_before: Timestamp(expires_before),
                active_since: Timestamp(active_since),
                limit,
            };
            let users = self.0.due_credentials(&due).await.map_err(|error| unavailable(&error))?;
            Ok(users.iter().map(UserId::to_shared).collect())
        })
    }
}

/// A pair from Forgejo in the form that the store seals.
pub(crate) fn new_credential(pair: &IssuedPair) -> NewCredential<'_> {
    NewCredential {
        access_token: pair.access_token.expose_secret(),
        refresh_token: pair.refresh_token.expose_secret(),
        expires_at: Timestamp(pair.expires_at),
        refreshed_at: Timestamp(pair.refreshed_at),
        grant_id: pair.grant_id,
        counter: TokenHints::of(&pair.refresh_token).counter,
        scope: None,
    }
}

fn credential(row: CredentialRow) -> StoredCredential {
    StoredCredential {
        version: row.version,
        identity: KnownIdentity { id: row.forgejo_id, login: row.login },
        access_token: SecretString::from(row.access_token.as_str()),
        refresh_token: SecretString::from(row.refresh_token.as_str()),
        expires_at: row.expires_at.0,
        refreshed_at: row.refreshed_at.0,
        grant_id: row.grant_id,
        dead: row.dead,
        lease: row.lease.map(|(owner, until)| (owner, until.0)),
    }
}

fn unavailable(error: &StoreError) -> CredentialStoreUnavailable {
    CredentialStoreUnavailable(error.to_string())
}

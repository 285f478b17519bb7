//! The end of a login: user, credential, grant and code come into being together or not at all.

use oauth::clock::Timestamp;
use oauth::grant::GrantLimits;
use oauth::id::{ClientId, GrantId, UserId};
use oauth::pkce::CodeChallenge;
use oauth::scope::ScopeSet;
use oauth::token::TokenHash;

use crate::account_sessions::end_of_user;
use crate::credentials::{NewCredential, SealedPair};
use crate::database::{Connection, Row, again, query};
use crate::error::StoreError;
use crate::grants::revoke_all;
use crate::store::Store;

/// Somebody has logged in at Forgejo.
#[derive(Debug, Clone, Copy)]
pub struct UpstreamLogin<'a> {
    /// The id he gets if he is new.
    pub user_id_if_new: &'a UserId,
    /// Which Forgejo.
    pub issuer: &'a str,
    /// `sub` there.
    pub sub: &'a str,
    /// Login name.
    pub login: &'a str,
    /// Forgejo's numeric id.
    pub forgejo_id: i64,
    /// The pair that the login brought.
    pub credential: NewCredential<'a>,
    /// When.
    pub now: Timestamp,
}

/// A login that answers a client's authorization request.
#[derive(Debug, Clone)]
pub struct CompletedLogin<'a> {
    /// Who logged in.
    pub upstream: UpstreamLogin<'a>,
    /// What he granted.
    pub grant: NewGrant<'a>,
    /// The code that goes to the client.
    pub code: NewCode<'a>,
}

/// A grant that comes into being.
#[derive(Debug, Clone)]
pub struct NewGrant<'a> {
    /// Its id.
    pub id: GrantId,
    /// To whom.
    pub client: &'a ClientId,
    /// What.
    pub scope: ScopeSet,
    /// What the client had asked for: the most that the user can give it later.
    pub asked: ScopeSet,
    /// What the user took away.
    pub limits: &'a GrantLimits,
    /// The canonical resource.
    pub resource: &'a str,
}

/// An authorization code that comes into being.
#[derive(Debug, Clone)]
pub struct NewCode<'a> {
    /// Of the code.
    pub hash: TokenHash,
    /// PKCE challenge of the request.
    pub code_challenge: &'a CodeChallenge,
    /// Where the code is sent.
    pub redirect_uri: &'a str,
    /// After this it is refused.
    pub expires_at: Timestamp,
}

/// What a login changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginCompleted {
    /// Who it was.
    pub user: UserId,
    /// Grants that ended because he had revoked the broker at Forgejo in between: their sessions and workers must end too.
    pub ended_grants: Vec<GrantId>,
}

struct KnownUser {
    id: UserId,
    grant_id: Option<i64>,
    counter: Option<i64>,
    dead: bool,
}

// === impl Store ===

impl Store {
    /// Writes user, credential, grant and code of a completed authorization.
    ///
    /// There is one row per (issuer, sub). A known user's credential is replaced, revived, and its lease cleared. If Forgejo's grant
    /// id is another than the stored one, all his earlier grants and his sessions at the account page end.
    ///
    /// # Errors
    /// [`StoreError::ClientGone`] if the client's registration was removed meanwhile; nothing is written then.
    pub async fn complete_login(&self, login: &CompletedLogin<'_>) -> Result<LoginCompleted, StoreError> {
        again!(self.try_to_complete_login(login).await)
    }

    async fn try_to_complete_login(&self, login: &CompletedLogin<'_>) -> Result<LoginCompleted, StoreError> {
        let now = login.upstream.now;
        let mut tx = self.begin().await?;
        let completed = self.enter(&mut tx, &login.upstream).await?;
        authorize(&mut tx, &completed.user, &login.grant, &login.code, now).await?;
        tx.commit().await?;
        Ok(completed)
    }

    /// Writes user and credential of a login that answers no client, by the same rules.
    pub async fn complete_account_login(&self, login: &UpstreamLogin<'_>) -> Result<LoginCompleted, StoreError> {
        again!(self.try_to_complete_account_login(login).await)
    }

    async fn try_to_complete_account_login(&self, login: &UpstreamLogin<'_>) -> Result<LoginCompleted, StoreError> {
        let mut tx = self.begin().await?;
        let completed = self.enter(&mut tx, login).await?;
        tx.commit().await?;
        Ok(completed)
    }

    async fn enter(&self, tx: &mut Connection, login: &UpstreamLogin<'_>) -> Result<LoginCompleted, StoreError> {
        let known = query(tx.locking(
            "SELECT id, upstream_grant, upstream_counter, dead_reason FROM users WHERE issuer = $1 AND sub = $2",
        ))
        .bind(login.issuer)
        .bind(login.sub)
        .fetch_optional(&mut *tx)
        .await?;
        let Some(known) = known.as_ref().map(KnownUser::try_from).transpose()? else {
            self.insert_user(tx, login).await?;
            return Ok(LoginCompleted { user: login.user_id_if_new.clone(), ended_grants: Vec::new() });
        };
        let ended_grants = if known.has_another_upstream_grant(&login.credential) {
            end_grants(tx, &known.id, login.now).await?
        } else {
            Vec::new()
        };
        query("UPDATE users SET login = $2, forgejo_id = $3, last_login_at = $4 WHERE id = $1")
            .bind(known.id.as_str())
            .bind(login.login)
            .bind(login.forgejo_id)
            .bind(login.now.0)
            .execute(&mut *tx)
            .await?;
        if !known.has_a_later_pair(&login.credential) {
            self.replace_credential(tx, &known.id, &login.credential).await?;
        }
        Ok(LoginCompleted { user: known.id, ended_grants })
    }

    async fn insert_user(&self, tx: &mut Connection, login: &UpstreamLogin<'_>) -> Result<(), StoreError> {
        let pair = &login.credential;
        let sealed = SealedPair::seal(&self.keys(), login.user_id_if_new, pair)?;
        query(
            "INSERT INTO users (id, issuer, sub, login, forgejo_id, access_token, refresh_token, expires_at, refreshed_at, \
             upstream_grant, upstream_counter, upstream_scope, version, created_at, last_login_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 1, $13, $13)",
        )
        .bind(login.user_id_if_new.as_str())
        .bind(login.issuer)
        .bind(login.sub)
        .bind(login.login)
        .bind(login.forgejo_id)
        .bind(sealed.access_token)
        .bind(sealed.refresh_token)
        .bind(pair.expires_at.0)
        .bind(pair.refreshed_at.0)
        .bind(pair.grant_id)
        .bind(pair.counter)
        .bind(pair.scope)
        .bind(login.now.0)
        .execute(tx)
        .await?;
        Ok(())
    }

    async fn replace_credential(
        &self,
        tx: &mut Connection,
        user: &UserId,
        pair: &NewCredential<'_>,
    ) -> Result<(), StoreError> {
        let sealed = SealedPair::seal(&self.keys(), user, pair)?;
        query(
            "UPDATE users SET access_token = $2, refresh_token = $3, expires_at = $4, refreshed_at = $5, \
             upstream_grant = $6, upstream_counter = $7, upstream_scope = $8, \
             version = version + 1, dead_reason = NULL, lease_owner = NULL, lease_until = NULL WHERE id = $1",
        )
        .bind(user.as_str())
        .bind(sealed.access_token)
        .bind(sealed.refresh_token)
        .bind(pair.expires_at.0)
        .bind(pair.refreshed_at.0)
        .bind(pair.grant_id)
        .bind(pair.counter)
        .bind(pair.scope)
        .execute(tx)
        .await?;
        Ok(())
    }
}

// === impl KnownUser ===

impl KnownUser {
    /// He revoked the broker at Forgejo and allowed it again.
    fn has_another_upstream_grant(&self, pair: &NewCredential<'_>) -> bool {
        self.grant_id.is_some() && pair.grant_id.is_some() && self.grant_id != pair.grant_id
    }

    /// Two logins of one user overtook each other: the stored pair was issued after this one, which Forgejo may hold for spent.
    fn has_a_later_pair(&self, pair: &NewCredential<'_>) -> bool {
        let same_grant = self.grant_id.is_some() && self.grant_id == pair.grant_id;
        let later = matches!((self.counter, pair.counter), (Some(stored), Some(new)) if stored > new);
        same_grant && later && !self.dead
    }
}

impl TryFrom<&Row> for KnownUser {
    type Error = StoreError;

    fn try_from(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.try_get::<String, _>("id")?.into(),
            grant_id: row.try_get("upstream_grant")?,
            counter: row.try_get("upstream_counter")?,
            dead: row.try_get::<Option<&str>, _>("dead_reason")?.is_some(),
        })
    }
}

/// Writes a grant and its code within the caller's transaction.
pub(crate) async fn authorize(
    tx: &mut Connection,
    user: &UserId,
    grant: &NewGrant<'_>,
    code: &NewCode<'_>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let authorized = query("UPDATE clients SET authorized = $2, last_used_at = $3 WHERE id = $1")
        .bind(grant.client.as_str())
        .bind(true)
        .bind(now.0)
        .execute(&mut *tx)
        .await?;
    if authorized.rows_affected() == 0 {
        return Err(StoreError::ClientGone(grant.client.clone()));
    }
    insert_grant(tx, user, grant, now).await?;
    query("INSERT INTO codes (hash, grant_id, code_challenge, redirect_uri, expires_at) VALUES ($1, $2, $3, $4, $5)")
        .bind(code.hash.as_bytes().as_slice())
        .bind(grant.id.as_str())
        .bind(code.code_challenge.as_str())
        .bind(code.redirect_uri)
        .bind(code.expires_at.0)
        .execute(tx)
        .await?;
    Ok(())
}

async fn insert_grant(
    tx: &mut Connection,
    user: &UserId,
    grant: &NewGrant<'_>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let limits = serde_json::to_string(grant.limits).map_err(|error| sqlx::Error::Encode(error.into()))?;
    query(
        "INSERT INTO grants (id, user_id, client_id, scope, limits, resource, created_at, asked) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(grant.id.as_str())
    .bind(user.as_str())
    .bind(grant.client.as_str())
    .bind(grant.scope.to_string())
    .bind(limits)
    .bind(grant.resource)
    .bind(now.0)
    .bind(grant.asked.to_string())
    .execute(tx)
    .await?;
    Ok(())
}

async fn end_grants(tx: &mut Connection, user: &UserId, now: Timestamp) -> Result<Vec<GrantId>, StoreError> {
    end_of_user(tx, user).await?;
    let live = "SELECT id FROM grants WHERE user_id = $1 AND revoked_at IS NULL ORDER BY id";
    revoke_all(tx, live, user.as_str(), now).await
}

#[cfg(test)]
mod tests;

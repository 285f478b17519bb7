//! Who may enter (design §5).
//!
//! Everybody with an account at Forgejo, unless the operator lists users, organisations or teams. A listed name is bound to the Forgejo id
//! that it has at its first match: whoever takes the name later is somebody else, and is refused.
//!
//! Forgejo is asked at every login and every refresh, and while somebody is using his connections at most every few minutes: about him,
//! because a deactivated user's tokens are still renewed, and about what he belongs to if that matters. Whoever may not enter any more
//! keeps his grants, suspended: his requests are refused, his workers reach nothing, his streams end. If he is let in again, everything goes on.
//! Rejected: ending the grants, which an operator's slip in a list would then do to a whole company.
//!
//! An account that Forgejo itself keeps out is the credential's matter: it is declared dead, and everything is 401 until a login succeeds.

mod lists;
mod standing;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bridge::bridge::Bridge;
use forgejo::credentials::Credentials;
use forgejo::oauth_client::{Identity, IdentityError, Memberships, OAuthClient, for_display};
use forgejo::token_source::{After401, CredentialError, TokenSource as _};
use futures_util::stream;
use futures_util::{FutureExt as _, StreamExt as _};
use oauth::clock::{Clock, Timestamp};
use parking_lot::{Mutex, RwLock};
use secrecy::SecretString;
use store::{Store, StoreError};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub(crate) use self::lists::EntryLists;
use self::lists::Judgement;
use self::standing::{Standing, Verdict};
use crate::audit::{self, Audit};
use crate::live_grants::LiveGrants;

/// How long an answer that could not be had is not asked for again.
const AFTER_TROUBLE: Duration = Duration::from_secs(15);
/// How long somebody waits for Forgejo's answer about him where it decides, and where nothing but a working account is asked for.
const ASK_TIMEOUT: Duration = Duration::from_secs(10);
const ASK_TIMEOUT_WITHOUT_LISTS: Duration = Duration::from_secs(2);
/// Longer than a login takes from being judged to being stored.
const LONGEST_LOGIN_STEP: Duration = Duration::from_mins(1);
/// How many users are asked about at one time, beside the requests.
const AT_ONCE: usize = 4;

/// Judges users. Cheap to share.
pub(crate) struct Entry {
    terms: RwLock<Arc<Terms>>,
    /// Others have been put in their place.
    replaced: Notify,
    upstream: OAuthClient,
    credentials: Credentials,
    store: Store,
    clock: Arc<dyn Clock>,
    audit: Audit,
    grants: LiveGrants,
    bridge: Bridge,
    known: Mutex<HashMap<Arc<str>, Arc<Standing>>>,
}

/// What the operator has decided.
pub(crate) struct Terms {
    pub(crate) lists: EntryLists,
    /// How old an answer of Forgejo may be.
    pub(crate) recheck: Duration,
    /// Since when that holds.
    pub(crate) since: Timestamp,
}

/// What [`Entry`] is made of.
pub(crate) struct EntryParts {
    pub(crate) terms: Terms,
    pub(crate) upstream: OAuthClient,
    pub(crate) credentials: Credentials,
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) audit: Audit,
    pub(crate) grants: LiveGrants,
    pub(crate) bridge: Bridge,
}

/// Why a user does not enter. The texts are for him.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the Forgejo account {login} is not among those that this server is for")]
    NotListed { login: String },
    #[error("the {kind} {name} that this server is for is another one than the one that has this name now")]
    NameReused { kind: &'static str, name: String },
    #[error(
        "Forgejo does not tell which organizations the account {login} belongs to; revoke this application there and log in again"
    )]
    Unreadable { login: String },
}

/// Why a request of a user is not served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotAdmitted {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("the login at Forgejo has ended; log in again")]
    LogInAgain,
    #[error("{reason}")]
    Unavailable { reason: String, retry_after: u32 },
}

/// Why it is not known whether somebody may enter.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotJudged {
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How far back an answer of Forgejo counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// A few minutes, as the operator set it.
    Usual,
    /// Forgejo is asked.
    Now,
}

// === impl Entry ===

impl Entry {
    pub(crate) fn new(parts: EntryParts) -> Self {
        let EntryParts { terms, upstream, credentials, store, clock, audit, grants, bridge } = parts;
        let (known, replaced) = (Mutex::default(), Notify::new());
        let terms = RwLock::new(Arc::new(terms));
        Self { terms, replaced, upstream, credentials, store, clock, audit, grants, bridge, known }
    }

    /// Judges by other lists from now on. Everybody is asked about anew: at his next request, and those who are using their connections
    /// at once.
    pub(crate) fn replace(&self, terms: Terms) {
        let mut current = self.terms.write();
        let open_to_all = terms.lists.are_empty();
        *current = Arc::new(terms);
        self.known.lock().clear();
        if open_to_all {
            self.grants.resume_all();
        }
        drop(current);
        self.replaced.notify_one();
    }

    fn terms(&self) -> Arc<Terms> {
        Arc::clone(&self.terms.read())
    }

    /// Judges somebody who has just logged in, by the token of that login. Nothing is remembered.
    pub(crate) async fn judge_login(
        &self,
        identity: &Identity,
        token: &SecretString,
    ) -> Result<Result<(), Refusal>, NotJudged> {
        let lists = &self.terms().lists;
        match self.memberships(lists, token).await {
            Ok(memberships) => Ok(self.judge(lists, identity, &memberships).await?),
            Err(IdentityError::Blocked(_)) => Ok(Err(Refusal::Unreadable { login: identity.login.clone() })),
            Err(other) => Err(other.into()),
        }
    }

    /// A user who was judged has logged in: what was known of him before does not count any more.
    pub(crate) fn entered(&self, user: &Arc<str>) {
        let now = self.clock.now();
        let terms = self.terms.read();
        // A login under way at a reload may have been judged by the lists before: he is asked about at his next request.
        if now >= terms.since.plus(LONGEST_LOGIN_STEP) {
            self.standing(user).settle(Verdict::Admitted, now);
        }
        self.grants.suspend(user, false);
    }

    /// Whether a user's request may be served. From memory, unless that is too old.
    pub(crate) async fn admit(&self, user: &Arc<str>, freshness: Freshness) -> Result<(), NotAdmitted> {
        // Without lists it is only asked whether the account still works, which can wait for those who look after it.
        let terms = self.terms();
        if freshness == Freshness::Usual && terms.lists.are_empty() {
            return Ok(());
        }
        let standing = self.standing(user);
        let now = self.clock.now();
        if freshness == Freshness::Usual
            && let Some(verdict) = standing.fresh(now, terms.recheck)
        {
            return verdict.outcome();
        }
        let most = if freshness == Freshness::Now { Duration::ZERO } else { terms.recheck };
        self.admit_slowly(user, &standing, now, most).boxed().await
    }

    async fn admit_slowly(
        &self,
        user: &Arc<str>,
        standing: &Standing,
        now: Timestamp,
        most: Duration,
    ) -> Result<(), NotAdmitted> {
        // One question at a time about one user; whoever waited looks again first.
        let _turn = standing.turn().await;
        if let Some(verdict) = standing.fresh(self.clock.now(), most).or_else(|| standing.since(now)) {
            return verdict.outcome();
        }
        self.check(user, standing).await
    }

    /// Asks about those who are using their connections, until `cancel`.
    pub(crate) async fn run(&self, cancel: CancellationToken) {
        loop {
            let recheck = self.terms().recheck;
            tokio::select! {
                () = cancel.cancelled() => return,
                () = self.replaced.notified() => {}
                () = tokio::time::sleep((recheck / 4).max(Duration::from_millis(500))) => {}
            }
            let recheck = self.terms().recheck;
            let users = self.grants.users();
            self.forget_all_but(&users, recheck);
            let due = recheck * 3 / 4;
            let old = users.into_iter().filter(|user| self.standing(user).fresh(self.clock.now(), due).is_none());
            let asking = stream::iter(old).for_each_concurrent(AT_ONCE, |user| async move {
                let standing = self.standing(&user);
                let _turn = standing.turn().await;
                // What comes of it is remembered, and told to whom it concerns.
                let _ = self.check(&user, &standing).await;
            });
            tokio::select! {
                () = cancel.cancelled() => return,
                () = asking => {}
            }
        }
    }

    async fn check(&self, user: &Arc<str>, standing: &Standing) -> Result<(), NotAdmitted> {
        loop {
            let terms = self.terms();
            let asked_at = self.clock.now();
            let patience = if terms.lists.are_empty() { ASK_TIMEOUT_WITHOUT_LISTS } else { ASK_TIMEOUT };
            let asked = tokio::time::timeout(patience, self.ask(&terms.lists, user)).await;
            let answer = asked.unwrap_or_else(|_| Err(unavailable("Forgejo does not answer in time".to_owned())));
            // Held to the end: what was found out by lists that are not the operator's any more must not count.
            let current = self.terms.read();
            if Arc::ptr_eq(&terms, &current) {
                return self.conclude(answer, user, standing, asked_at, terms.lists.are_empty());
            }
        }
    }

    fn conclude(
        &self,
        answer: Result<Result<(), Refusal>, NotAdmitted>,
        user: &Arc<str>,
        standing: &Standing,
        asked_at: Timestamp,
        open_to_all: bool,
    ) -> Result<(), NotAdmitted> {
        match answer {
            Ok(Ok(())) => {
                standing.settle(Verdict::Admitted, asked_at);
                // Asked there, because what is known of him may have been forgotten meanwhile.
                if self.grants.suspend(user, false) {
                    self.note(user, "entry_resumed", "ok", None);
                }
                Ok(())
            }
            Ok(Err(refusal)) => {
                let verdict = Verdict::Refused(refusal.clone());
                if standing.settle(verdict.clone(), asked_at) != Some(verdict) {
                    self.note(user, "entry_refused", refusal.as_str(), Some(&refusal.to_string()));
                }
                self.suspend(user);
                Err(refusal.into())
            }
            // The credential's own affair, and told by it: nothing is remembered here.
            Err(NotAdmitted::LogInAgain) => Err(NotAdmitted::LogInAgain),
            Err(trouble) => {
                tracing::warn!(user.id = %user, error = %trouble, "it could not be asked whether a user may still enter");
                // Nothing can be reached while Forgejo is away. Whoever was let in before stays, whoever was not does not.
                match standing.hold(asked_at.plus(AFTER_TROUBLE)) {
                    Some(verdict) => verdict.outcome(),
                    None if open_to_all => Ok(()),
                    None => Err(trouble),
                }
            }
        }
    }

    async fn ask(&self, lists: &EntryLists, user: &Arc<str>) -> Result<Result<(), Refusal>, NotAdmitted> {
        let mut token = self.credentials.access_token(Arc::clone(user)).await?;
        let mut tries = 0;
        let identity = loop {
            match self.upstream.identity(&token).await {
                Ok(identity) => break identity,
                Err(IdentityError::Unreachable(trouble)) => return Err(unavailable(trouble.to_string())),
                // Whether that is the token's end or the user's is found out where the credential is kept.
                Err(IdentityError::TokenRejected(_) | IdentityError::Blocked(_)) if tries == 0 => {
                    tries += 1;
                    match self.credentials.after_401(Arc::clone(user), token).await? {
                        After401::Retry(fresh) => token = fresh,
                        After401::Alive => {
                            return Err(unavailable("Forgejo contradicts itself about a user".to_owned()));
                        }
                    }
                }
                Err(error) => return Err(unavailable(error.to_string())),
            }
        };
        let memberships = match self.memberships(lists, &token).await {
            Ok(memberships) => memberships,
            Err(IdentityError::Blocked(_)) => {
                return Ok(Err(Refusal::Unreadable { login: for_display(&identity.login, &[]) }));
            }
            Err(error) => return Err(unavailable(error.to_string())),
        };
        self.judge(lists, &identity, &memberships).await.map_err(|error| unavailable(error.to_string()))
    }

    async fn memberships(&self, lists: &EntryLists, token: &SecretString) -> Result<Memberships, IdentityError> {
        if lists.need_memberships() { self.upstream.memberships(token).await } else { Ok(Memberships::default()) }
    }

    async fn judge(
        &self,
        lists: &EntryLists,
        identity: &Identity,
        memberships: &Memberships,
    ) -> Result<Result<(), Refusal>, StoreError> {
        let login = &identity.login;
        Ok(match lists.judge(&self.store, identity, memberships, self.clock.now()).await? {
            Judgement::Admitted => Ok(()),
            Judgement::NotListed => Err(Refusal::NotListed { login: login.clone() }),
            Judgement::NameReused { kind, name } => {
                let detail = format!("{} {name}", kind.as_str());
                let id = identity.id.to_string();
                let entry = audit::Entry { subject: Some(&id), detail: Some(&detail), ..audit::Entry::default() };
                self.audit.record("entry_name_reused", "refused", &entry);
                Err(Refusal::NameReused { kind: kind.as_str(), name })
            }
        })
    }

    fn suspend(&self, user: &Arc<str>) {
        if self.grants.suspend(user, true) {
            self.bridge.log_in_again(user);
        }
    }

    fn note(&self, user: &Arc<str>, event: &'static str, outcome: &str, detail: Option<&str>) {
        let entry = audit::Entry { actor: Some(user), detail, ..audit::Entry::default() };
        self.audit.record(event, outcome, &entry);
    }

    fn standing(&self, user: &Arc<str>) -> Arc<Standing> {
        Arc::clone(self.known.lock().entry(Arc::clone(user)).or_default())
    }

    /// What is known of somebody who uses nothing at present is forgotten once it is too old to count.
    fn forget_all_but(&self, users: &[Arc<str>], recheck: Duration) {
        let now = self.clock.now();
        let mut known = self.known.lock();
        known.retain(|user, standing| {
            let stays = standing.fresh(now, recheck).is_some() || users.contains(user);
            if !stays {
                let refused = standing.is_refused();
                tracing::debug!(user.id = %user, entry.refused = refused, "a user who uses nothing is forgotten");
            }
            stays
        });
    }
}

fn unavailable(reason: String) -> NotAdmitted {
    NotAdmitted::Unavailable { reason, retry_after: 15 }
}

// === impl NotAdmitted ===

impl From<CredentialError> for NotAdmitted {
    fn from(error: CredentialError) -> Self {
        match error {
            CredentialError::Dead(_) | CredentialError::Unknown => Self::LogInAgain,
            CredentialError::Unavailable { reason, retry_after } => Self::Unavailable { reason, retry_after },
        }
    }
}

// === impl Refusal ===

impl Refusal {
    /// A word for logs.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::NotListed { .. } => "not_listed",
            Self::NameReused { .. } => "name_reused",
            Self::Unreadable { .. } => "memberships_unreadable",
        }
    }
}

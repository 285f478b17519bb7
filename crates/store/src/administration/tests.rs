use std::path::Path;

use oauth::id::{ClientId, UserId};

use super::*;
use crate::revocations::Revoked;
use crate::sessions::SessionRow;
use crate::store::Store;
use crate::testing::{Login, Scratch, logged_in, on_each};

const NOW: Timestamp = Timestamp(5_000);

async fn house(at: &Scratch) -> (Store, Administration) {
    let store = at.store().await;
    logged_in(&store).await;
    let admin = Administration::open(at.database(), "operator").await.unwrap();
    (store, admin)
}

fn session(user: &UserId) -> SessionRow {
    SessionRow {
        id_hash: [7; 32],
        user: user.clone(),
        client: "c".into(),
        grant: "g".into(),
        protocol_version: "2025-11-25".into(),
        initialize: b"{}".to_vec(),
        initialized: true,
        log_level: None,
        subscriptions: Vec::new(),
        created_at: Timestamp(1),
        last_seen: Timestamp(1),
        epoch: 1,
    }
}

on_each!(what_is_revoked_beside_the_broker_is_in_its_revocation_sequence_and_in_the_audit_log);
async fn what_is_revoked_beside_the_broker_is_in_its_revocation_sequence_and_in_the_audit_log(at: Scratch) {
    let (store, admin) = house(&at).await;
    let user = admin.users_named("alice").await.unwrap().remove(0);
    assert_eq!((user.live_grants, user.sessions), (1, 0));
    assert_eq!(admin.revoke_user(&user.id, NOW).await.unwrap(), 1);
    let revoked = store.revocations_after(0, 10).await.unwrap();
    assert_eq!(revoked.iter().map(|entry| &entry.subject).collect::<Vec<_>>(), [&Revoked::Grant("g".into())]);
    assert!(!store.grant(&"g".into()).await.unwrap().unwrap().is_live());
    let event = store.recent_audit(1).await.unwrap().remove(0);
    assert_eq!((event.event.as_ref(), event.actor.as_deref()), ("admin.user_revoked", Some("operator")));
    assert_eq!(event.outcome, "1 grants");
    assert_eq!(admin.revoke_user(&user.id, NOW).await.unwrap(), 0);
}

on_each!(a_purged_user_leaves_nothing_but_audit_events);
async fn a_purged_user_leaves_nothing_but_audit_events(at: Scratch) {
    let (store, admin) = house(&at).await;
    let user = admin.users().await.unwrap().remove(0).id;
    assert!(admin.purge_user(&user, NOW).await.unwrap());
    assert!(store.user(&user).await.unwrap().is_none() && store.grant(&"g".into()).await.unwrap().is_none());
    assert_eq!(store.revocations_after(0, 10).await.unwrap().len(), 1, "the running broker must hear of the grant");
    assert!(!admin.purge_user(&user, NOW).await.unwrap());
    let statistics = admin.statistics().await.unwrap();
    let count = |what| statistics.rows.iter().find(|(name, _)| *name == what).unwrap().1;
    assert_eq!((count("users"), count("live grants"), count("access tokens"), count("audit events")), (0, 0, 0, 1));
}

on_each!(a_revoked_client_loses_its_grants_and_a_purged_one_its_registration);
async fn a_revoked_client_loses_its_grants_and_a_purged_one_its_registration(at: Scratch) {
    let (store, admin) = house(&at).await;
    let client = ClientId::from("c");
    assert_eq!(admin.client(&client).await.unwrap().unwrap().live_grants, 1);
    assert_eq!(admin.revoke_client(&client, NOW).await.unwrap(), 1);
    assert!(store.client(&client).await.unwrap().is_some());
    assert!(admin.purge_client(&client, NOW).await.unwrap());
    assert!(admin.clients().await.unwrap().is_empty());
}

on_each!(grants_are_found_by_user_and_client_and_ended_ones_only_when_asked_for);
async fn grants_are_found_by_user_and_client_and_ended_ones_only_when_asked_for(at: Scratch) {
    let (store, admin) = house(&at).await;
    Login::of("other").write(&store).await.unwrap();
    let all = GrantFilter { ended: true, ..GrantFilter::default() };
    assert_eq!(admin.grants(&all).await.unwrap().len(), 2);
    assert!(admin.revoke_grant(&"other".into(), NOW).await.unwrap());
    assert!(!admin.revoke_grant(&"other".into(), NOW).await.unwrap());
    let live = admin.grants(&GrantFilter { user: Some("alice".into()), ..GrantFilter::default() }).await.unwrap();
    assert_eq!(live.iter().map(|listed| listed.grant.id.as_str()).collect::<Vec<_>>(), ["g"]);
    let nobody = GrantFilter { client: Some("other".into()), ..all.clone() };
    assert!(admin.grants(&nobody).await.unwrap().is_empty());
    assert_eq!(admin.purge_grants(Timestamp(NOW.0 + 1), NOW).await.unwrap(), 1);
    assert_eq!(admin.grants(&all).await.unwrap().len(), 1);
}

on_each!(an_ended_session_is_told_by_the_hash_of_its_id);
async fn an_ended_session_is_told_by_the_hash_of_its_id(at: Scratch) {
    let (store, admin) = house(&at).await;
    let user = admin.users().await.unwrap().remove(0).id;
    let session = session(&user);
    assert!(store.insert_session(&session, None).await.unwrap());
    let listed = admin.sessions(Some("alice")).await.unwrap().remove(0);
    assert_eq!((listed.id_hash, listed.grant.as_str()), (session.id_hash, "g"));
    assert!(admin.revoke_session(&session.id_hash, NOW).await.unwrap());
    assert!(!admin.revoke_session(&session.id_hash, NOW).await.unwrap());
    assert_eq!(store.revocations_after(0, 10).await.unwrap()[0].subject, Revoked::Session(session.id_hash));
    assert!(store.insert_session(&session, None).await.unwrap());
    assert_eq!(admin.purge_sessions(Timestamp(session.last_seen.0 + 1), NOW).await.unwrap(), 1);
    assert_eq!(store.revocations_after(1, 10).await.unwrap().len(), 1);
}

on_each!(audit_events_are_filtered_and_their_deletion_is_an_event);
async fn audit_events_are_filtered_and_their_deletion_is_an_event(at: Scratch) {
    let (_store, admin) = house(&at).await;
    admin.revoke_grant(&"g".into(), NOW).await.unwrap();
    let of = |event: &str| AuditFilter { event: Some(event.into()), limit: 10, ..AuditFilter::default() };
    let found = admin.audit(&of("admin.grant_revoked")).await.unwrap();
    assert_eq!(found[0].event.subject.as_deref(), Some("g"));
    assert!(admin.audit(&of("login")).await.unwrap().is_empty());
    assert!(
        admin
            .audit(&AuditFilter { since: Some(Timestamp(NOW.0 + 1)), ..of("admin.grant_revoked") })
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(admin.purge_audit(Timestamp(NOW.0 + 1), Timestamp(NOW.0 + 2)).await.unwrap(), 1);
    let left = admin.audit(&AuditFilter { limit: 10, ..AuditFilter::default() }).await.unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].event.event, "admin.audit_purged");
}

#[tokio::test]
async fn what_is_no_database_of_ours_is_refused_in_words() {
    let directory = tempfile::tempdir().unwrap();
    let open = async |path: &Path| {
        Administration::open(&Database::Sqlite(path.to_owned()), "operator").await.unwrap_err().to_string()
    };
    assert!(open(&directory.path().join("nothing.db")).await.contains("there is no database at"));
    let other = directory.path().join("other.db");
    std::fs::write(&other, "").unwrap();
    assert!(open(&other).await.contains("run `fjmcp-broker migrate`"));
    std::fs::write(&other, "no database at all, but long enough to have a header").unwrap();
    assert!(open(&other).await.contains("can't be opened as an SQLite database"));
}

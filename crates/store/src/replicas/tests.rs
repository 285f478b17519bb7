use std::time::Duration;

use oauth::clock::Timestamp;
use oauth::id::UserId;

use super::*;
use crate::testing::{Scratch, logged_in, on_each, race};

const LEASE: Duration = Duration::from_hours(1);
const OVER: Duration = Duration::ZERO;
const ID: [u8; 32] = [1; 32];

fn session(user: &UserId) -> SessionRow {
    SessionRow {
        id_hash: ID,
        user: user.clone(),
        client: "c".into(),
        grant: "g".into(),
        protocol_version: "2025-11-25".into(),
        initialize: b"{}".to_vec(),
        initialized: true,
        log_level: None,
        subscriptions: vec![],
        created_at: Timestamp(1),
        last_seen: Timestamp(1),
        epoch: 1,
    }
}

async fn replica(store: &Store, id: &str, lease: Duration) -> Owner {
    let life = store.register_replica(id, Some(&format!("{id}:1")), lease).await.unwrap();
    Owner { id: id.to_owned(), life }
}

/// Its epoch, if it is the asker's.
fn epoch(taken: &Taken) -> Option<i64> {
    match taken {
        Taken::Mine { session, .. } => Some(session.epoch),
        _ => None,
    }
}

on_each!(a_session_is_its_owners_until_that_ones_lease_is_over);
async fn a_session_is_its_owners_until_that_ones_lease_is_over(at: Scratch) {
    let store = at.store().await;
    let user = logged_in(&store).await;
    let (one, two) = (replica(&store, "one", LEASE).await, replica(&store, "two", LEASE).await);
    assert!(store.insert_session(&session(&user), Some(&one)).await.unwrap());
    assert_eq!(epoch(&store.take_session(&ID, &one).await.unwrap()), Some(1));
    let theirs = Taken::Theirs { owner: one.clone(), address: Some("one:1".to_owned()), epoch: 1 };
    assert_eq!(store.take_session(&ID, &two).await.unwrap(), theirs);
    store.retire_replica(&one).await.unwrap();
    assert_eq!(store.take_session(&ID, &one).await.unwrap(), Taken::Mine { session: session(&user), from: None });
    let taken = store.take_session(&ID, &two).await.unwrap();
    assert_eq!(taken, Taken::Mine { session: SessionRow { epoch: 2, ..session(&user) }, from: Some("one".to_owned()) });
    assert_eq!(store.take_session(&[2; 32], &two).await.unwrap(), Taken::Absent);
}

on_each!(a_new_life_of_a_replica_does_not_hold_what_the_earlier_one_held);
async fn a_new_life_of_a_replica_does_not_hold_what_the_earlier_one_held(at: Scratch) {
    let store = at.store().await;
    let user = logged_in(&store).await;
    let first = replica(&store, "one", LEASE).await;
    assert!(store.insert_session(&session(&user), Some(&first)).await.unwrap());
    let second = replica(&store, "one", LEASE).await;
    assert!(second.life > first.life);
    assert!(!store.renew_replica(&first, LEASE, "{}").await.unwrap(), "the earlier life goes on");
    assert_eq!(store.take_session(&ID, &first).await.unwrap(), Taken::Mine { session: session(&user), from: None });
    assert_eq!(epoch(&store.take_session(&ID, &second).await.unwrap()), Some(2));
}

on_each!(a_lease_that_is_over_is_not_renewed_and_its_holder_takes_nothing);
async fn a_lease_that_is_over_is_not_renewed_and_its_holder_takes_nothing(at: Scratch) {
    let store = at.store().await;
    let user = logged_in(&store).await;
    let (one, late) = (replica(&store, "one", LEASE).await, replica(&store, "late", OVER).await);
    assert!(store.renew_replica(&one, LEASE, r#"{"u":[1,2,3]}"#).await.unwrap());
    assert!(!store.renew_replica(&late, LEASE, "{}").await.unwrap());
    assert!(store.insert_session(&session(&user), None).await.unwrap());
    assert_eq!(store.take_session(&ID, &late).await.unwrap(), Taken::NoLease);
    let live = LiveReplica { owner: one, address: Some("one:1".to_owned()), usage: r#"{"u":[1,2,3]}"#.to_owned() };
    assert_eq!(store.live_replicas().await.unwrap(), std::slice::from_ref(&live));
    assert_eq!(store.live_replica("one").await.unwrap(), Some(live));
    assert_eq!(store.live_replica("late").await.unwrap(), None);
}

on_each!(of_many_that_take_a_session_at_once_one_gets_it_and_the_others_are_sent_to_it);
async fn of_many_that_take_a_session_at_once_one_gets_it_and_the_others_are_sent_to_it(at: Scratch) {
    let store = at.store().await;
    let user = logged_in(&store).await;
    let dead = replica(&store, "dead", OVER).await;
    assert!(store.insert_session(&session(&user), Some(&dead)).await.unwrap());
    let mut owners = Vec::new();
    for number in 0..16 {
        owners.push(replica(&store, &format!("r{number:02}"), LEASE).await);
    }
    let takers = owners.clone();
    let taken = race(16, &store, move |store, number| {
        let me = takers[number].clone();
        async move { store.take_session(&ID, &me).await.unwrap() }
    })
    .await;
    let winners: Vec<usize> = (0..16).filter(|number| epoch(&taken[*number]).is_some()).collect();
    assert_eq!(winners.len(), 1, "{taken:?}");
    let winner = &owners[winners[0]];
    for (number, taken) in taken.iter().enumerate().filter(|(number, _)| *number != winners[0]) {
        let theirs = matches!(taken, Taken::Theirs { owner, epoch: 2, .. } if owner == winner);
        assert!(theirs, "{number}: {taken:?}");
    }
}

on_each!(no_write_under_an_earlier_epoch_is_taken);
async fn no_write_under_an_earlier_epoch_is_taken(at: Scratch) {
    let store = at.store().await;
    let user = logged_in(&store).await;
    let (one, two) = (replica(&store, "one", OVER).await, replica(&store, "two", LEASE).await);
    store.insert_session(&session(&user), Some(&one)).await.unwrap();
    assert_eq!(epoch(&store.take_session(&ID, &two).await.unwrap()), Some(2));
    let late = SessionRow { log_level: Some("debug".to_owned()), ..session(&user) };
    assert!(!store.update_session(&late).await.unwrap());
    assert!(!store.release_session(&ID, &one, 1).await.unwrap());
    assert!(!store.release_session(&ID, &one, 2).await.unwrap());
    store.delete_session(&ID, Some(1)).await.unwrap();
    let now = store.session(&ID).await.unwrap();
    assert_eq!(now, Some(SessionRow { epoch: 2, ..session(&user) }));
    assert!(store.update_session(&SessionRow { epoch: 2, ..late }).await.unwrap());
    assert!(store.release_session(&ID, &two, 2).await.unwrap());
    let three = replica(&store, "three", LEASE).await;
    let taken = store.take_session(&ID, &three).await.unwrap();
    assert!(matches!(taken, Taken::Mine { from: None, .. }), "{taken:?}");
    store.delete_session(&ID, Some(3)).await.unwrap();
    assert_eq!(store.session(&ID).await.unwrap(), None);
}

on_each!(what_another_living_replica_holds_is_not_forgotten_for_the_sake_of_a_limit);
async fn what_another_living_replica_holds_is_not_forgotten_for_the_sake_of_a_limit(at: Scratch) {
    let store = at.store().await;
    let user = logged_in(&store).await;
    let owners = [
        replica(&store, "me", LEASE).await,
        replica(&store, "other", LEASE).await,
        replica(&store, "dead", OVER).await,
    ];
    for (number, owner) in (1..).zip(&owners) {
        let row = SessionRow { id_hash: [number; 32], last_seen: Timestamp(number.into()), ..session(&user) };
        store.insert_session(&row, Some(owner)).await.unwrap();
    }
    let forgotten = store.trim_sessions(&user, &"g".into(), 0, 0, &[], "me").await.unwrap();
    assert_eq!(forgotten, [[1; 32], [3; 32]]);
    assert_eq!(store.session_count().await.unwrap(), 1);
}

on_each!(the_clock_of_the_database_goes);
async fn the_clock_of_the_database_goes(at: Scratch) {
    let store = at.store().await;
    let first = store.database_clock().await.unwrap();
    assert!(first > 1_700_000_000_000);
    assert!(store.database_clock().await.unwrap() >= first);
    assert_eq!(store.forget_replicas().await.unwrap(), 0);
}

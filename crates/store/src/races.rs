//! What many processes do at the same moment, on a database that lets them.

use std::time::Duration;

use oauth::clock::Timestamp;
use oauth::id::ClientId;
use oauth::token::TokenHash;

use crate::grants::revoke;
use crate::sessions::SessionRow;
use crate::testing::{Login, Scratch, logged_in, metadata, on_each, race, rows, tokens};
use crate::{Store, StoreError};

const NOW: Timestamp = Timestamp(1);

on_each!(nothing_comes_to_life_under_a_grant_while_it_ends);
async fn nothing_comes_to_life_under_a_grant_while_it_ends(at: Scratch) {
    let store = at.store().await;
    let user = logged_in(&store).await;
    for round in 0..12 {
        let grant = format!("round-{round}");
        let name = format!("first-{round}");
        let first = tokens(&name, 0);
        Login::of(&grant).write(&store).await.unwrap();
        store.redeem_code(&TokenHash::of(&format!("code-{grant}")), NOW, &first).await.unwrap();
        race(6, &store, |store, index| {
            let (grant, user) = (grant.clone(), user.clone());
            async move {
                match index {
                    0 => drop(store.revoke_grant(&grant.into(), NOW).await.unwrap()),
                    1 | 2 => {
                        let next = tokens(&format!("next-{round}-{index}"), 0);
                        store.rotate(&first.refresh_hash, NOW, &next, Some(b"sealed")).await.unwrap();
                    }
                    _ => drop(store.insert_session(&session(&user, &grant, round, index), None).await.unwrap()),
                }
            }
        })
        .await;
        // Reading it would fail on a pair that is still sealed under an ended grant.
        store.refresh_token(&first.refresh_hash).await.unwrap().unwrap();
    }
    for table in ["access_tokens", "sessions"] {
        let left = match table {
            "sessions" => {
                "SELECT count(*) FROM sessions s JOIN grants g ON g.id = s.grant_id WHERE g.revoked_at IS NOT NULL"
            }
            _ => {
                "SELECT count(*) FROM access_tokens a JOIN grants g ON g.id = a.grant_id WHERE g.revoked_at IS NOT NULL"
            }
        };
        assert_eq!(rows(&store, left).await, 0, "{table} of ended grants");
    }
}

fn session(user: &oauth::id::UserId, grant: &str, round: u8, index: usize) -> SessionRow {
    SessionRow {
        id_hash: [round * 8 + u8::try_from(index).unwrap(); 32],
        user: user.clone(),
        client: "c".into(),
        grant: grant.into(),
        protocol_version: "2025-11-25".into(),
        initialize: b"{}".to_vec(),
        initialized: true,
        log_level: None,
        subscriptions: vec![],
        created_at: NOW,
        last_seen: NOW,
        epoch: 1,
    }
}

/// Reads the sequence as a follower does, until it has heard of `number` grants.
async fn follow(store: Store, number: usize) -> Vec<i64> {
    let (mut heard, mut last) = (Vec::new(), 0);
    while heard.len() < number {
        for entry in store.revocations_after(last, 5).await.unwrap() {
            last = entry.id;
            heard.push(entry.id);
        }
        tokio::task::yield_now().await;
    }
    heard
}

on_each!(a_follower_misses_none_of_many_that_end_at_once);
async fn a_follower_misses_none_of_many_that_end_at_once(at: Scratch) {
    let store = at.store().await;
    logged_in(&store).await;
    for grant in 0..32 {
        Login::of(&format!("g{grant}")).write(&store).await.unwrap();
    }
    let following = tokio::spawn(follow(store.clone(), 32));
    race(32, &store, |store, index| async move { store.revoke_grant(&format!("g{index}").into(), NOW).await.unwrap() })
        .await;
    let heard = tokio::time::timeout(Duration::from_mins(1), following).await.expect("one was missed").unwrap();
    assert!(heard.is_sorted());
}

/// On PostgreSQL a number is given to a row long before others see it.
#[tokio::test(flavor = "multi_thread")]
async fn an_entry_with_a_lower_number_never_appears_after_one_with_a_higher() {
    let at = Scratch::of_its_own();
    let store = at.store().await;
    logged_in(&store).await;
    Login::of("g2").write(&store).await.unwrap();
    let mut slow = store.begin().await.unwrap();
    assert!(revoke(&mut slow, &"g".into(), NOW).await.unwrap());
    let other = store.clone();
    let quick = tokio::spawn(async move { other.revoke_grant(&"g2".into(), NOW).await });
    let waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
    while at.run(waiting) != "1" {
        tokio::task::yield_now().await;
    }
    assert!(store.revocations_after(0, 9).await.unwrap().is_empty(), "neither is seen before the first is");
    slow.commit().await.unwrap();
    assert!(quick.await.unwrap().unwrap());
    let heard = store.revocations_after(0, 9).await.unwrap();
    assert_eq!(heard.len(), 2);
    assert!(heard[0].id < heard[1].id);
}

on_each!(of_many_that_register_at_once_no_more_than_allowed_are_there);
async fn of_many_that_register_at_once_no_more_than_allowed_are_there(at: Scratch) {
    let store = at.store().await;
    let done = race(16, &store, |store, index| async move {
        let digest = [u8::try_from(index).unwrap(); 32];
        store.register_dynamic(&metadata("x"), digest, ClientId::from(format!("c{index}")), NOW, 4).await
    })
    .await;
    assert!(done.iter().all(Result::is_ok), "strangers give way to each other: {done:?}");
    assert_eq!(rows(&store, "SELECT count(*) FROM clients").await, 4);
}

on_each!(of_many_that_register_the_same_client_one_makes_it);
async fn of_many_that_register_the_same_client_one_makes_it(at: Scratch) {
    let store = at.store().await;
    let done = race(16, &store, |store, index| async move {
        store.register_dynamic(&metadata("x"), [1; 32], ClientId::from(format!("c{index}")), NOW, 4).await
    })
    .await;
    let made = done.into_iter().filter(|done| !done.as_ref().unwrap().existing).count();
    assert_eq!((made, rows(&store, "SELECT count(*) FROM clients").await), (1, 1));
}

on_each!(a_client_that_is_authorized_at_the_moment_when_it_would_give_way_stays);
async fn a_client_that_is_authorized_at_the_moment_when_it_would_give_way_stays(at: Scratch) {
    let store = at.store().await;
    for round in 0..6u8 {
        let name: &'static str = ["a", "b", "c", "d", "e", "f"][usize::from(round)];
        store.register_dynamic(&metadata(name), [round; 32], ClientId::from(name), NOW, 1_000).await.unwrap();
        let done = race(2, &store, |store, index| async move {
            if index == 0 {
                let login = Login { client: name, ..Login::of(&format!("grant-{name}")) };
                return login.write(&store).await.map(drop);
            }
            let cap = u32::from(round) + 1;
            let fresh = ClientId::from(format!("next-{name}"));
            let made = store.register_dynamic(&metadata("n"), [100 + round; 32], fresh, NOW, cap).await.map(drop);
            store.purge_strangers().await;
            made
        })
        .await;
        let granted = rows(&store, "SELECT count(*) FROM grants g JOIN clients c ON c.id = g.client_id").await;
        match &done[0] {
            Ok(()) => assert!(store.grant(&format!("grant-{name}").into()).await.unwrap().is_some(), "{granted}"),
            Err(StoreError::ClientGone(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

impl Store {
    /// Removes what was registered for the race, so that the next round begins with authorized clients only.
    async fn purge_strangers(&self) {
        let gone = crate::database::query("DELETE FROM clients WHERE id LIKE 'next-%' AND NOT authorized");
        gone.execute(self.write()).await.unwrap();
    }
}

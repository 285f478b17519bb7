use super::*;
use crate::database::query_scalar;
use crate::testing::{Login, Scratch, client, logged_in, metadata, on_each, race, rows};

async fn register(store: &Store, name: &str, now: i64, cap: u32) -> Result<Registered, StoreError> {
    let metadata = metadata(name);
    store.register_dynamic(&metadata, metadata.digest(), format!("id {name} {now}").into(), Timestamp(now), cap).await
}

async fn ids(store: &Store) -> Vec<String> {
    query_scalar("SELECT id FROM clients ORDER BY id").fetch_all(store.read()).await.unwrap()
}

on_each!(a_registered_client_is_read_back);
async fn a_registered_client_is_read_back(at: Scratch) {
    let store = at.store().await;
    let registered = register(&store, "a", 5, 9).await.unwrap();
    let stored = store.client(&"id a 5".into()).await.unwrap().unwrap();
    assert_eq!(registered, Registered { client: stored.clone(), existing: false });
    assert_eq!((stored.kind, stored.metadata, stored.authorized), (ClientKind::Dynamic, metadata("a"), false));
    assert!(store.client(&"unknown".into()).await.unwrap().is_none());
}

on_each!(the_same_registration_finds_and_renews_the_same_client);
async fn the_same_registration_finds_and_renews_the_same_client(at: Scratch) {
    let store = at.store().await;
    register(&store, "a", 1, 1).await.unwrap();
    let again = register(&store, "a", 8, 1).await.unwrap();
    assert!(again.existing);
    assert_eq!((again.client.id.as_str(), again.client.created_at), ("id a 1", Timestamp(1)));
    assert_eq!(again.client.last_used_at, Timestamp(8));
}

on_each!(the_same_registration_many_times_at_once_makes_one_client);
async fn the_same_registration_many_times_at_once_makes_one_client(at: Scratch) {
    let store = at.store().await;
    let registered = race(32, &store, |store, index| async move {
        register(&store, "a", i64::try_from(index).unwrap(), 9).await.unwrap()
    })
    .await;
    assert_eq!(registered.iter().filter(|registered| !registered.existing).count(), 1);
    assert_eq!(rows(&store, "SELECT count(*) FROM clients").await, 1);
}

on_each!(over_the_cap_the_never_authorized_client_unused_for_longest_goes);
async fn over_the_cap_the_never_authorized_client_unused_for_longest_goes(at: Scratch) {
    let store = at.store().await;
    for (name, now) in [("a", 1), ("b", 2), ("c", 3)] {
        register(&store, name, now, 3).await.unwrap();
    }
    assert!(register(&store, "a", 9, 3).await.unwrap().existing);
    register(&store, "d", 10, 3).await.unwrap();
    assert_eq!(ids(&store).await, ["id a 1", "id c 3", "id d 10"]);
}

on_each!(a_client_that_was_authorized_never_gives_way);
async fn a_client_that_was_authorized_never_gives_way(at: Scratch) {
    let store = at.store().await;
    let kept = register(&store, "a", 1, 2).await.unwrap().client.id;
    Login { client: "id a 1", ..Login::of("g") }.write(&store).await.unwrap();
    register(&store, "b", 2, 2).await.unwrap();
    register(&store, "c", 3, 2).await.unwrap();
    assert_eq!(ids(&store).await, ["id a 1", "id c 3"]);
    assert!(store.client(&kept).await.unwrap().unwrap().authorized);

    Login { client: "id c 3", ..Login::of("h") }.write(&store).await.unwrap();
    assert!(matches!(register(&store, "d", 4, 2).await, Err(StoreError::ClientsFull { cap: 2 })));
    assert_eq!(ids(&store).await, ["id a 1", "id c 3"]);
}

on_each!(a_refused_registration_removes_nobody);
async fn a_refused_registration_removes_nobody(at: Scratch) {
    let store = at.store().await;
    for (name, now) in [("a", 1), ("b", 2), ("c", 3)] {
        register(&store, name, now, 3).await.unwrap();
    }
    for client in ["id a 1", "id b 2"] {
        Login { client, ..Login::of(client) }.write(&store).await.unwrap();
    }
    // The cap was lowered: two would have to go, only one may.
    assert!(matches!(register(&store, "d", 4, 2).await, Err(StoreError::ClientsFull { cap: 2 })));
    assert_eq!(ids(&store).await.len(), 3);
}

on_each!(configured_clients_do_not_count_and_can_change_what_they_say);
async fn configured_clients_do_not_count_and_can_change_what_they_say(at: Scratch) {
    let store = at.store().await;
    logged_in(&store).await;
    register(&store, "a", 1, 1).await.unwrap();
    let id = client(&store, "c").await;
    let changed =
        store.save_client(&id, KnownClientKind::MetadataDocument, &metadata("new name"), Timestamp(4)).await.unwrap();
    assert_eq!((changed.kind, changed.created_at), (ClientKind::MetadataDocument, Timestamp(0)));
    assert_eq!(changed.metadata.client_name.as_deref(), Some("new name"));
    assert!(changed.authorized);
    assert!(store.grant(&"g".into()).await.unwrap().unwrap().is_live());
}

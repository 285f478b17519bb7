use super::*;
use crate::testing::{Login, Scratch, client, credential, logged_in, on_each, race, rows};

on_each!(a_first_login_makes_user_grant_and_code);
async fn a_first_login_makes_user_grant_and_code(at: Scratch) {
    let store = at.store().await;
    let user = logged_in(&store).await;
    let stored = store.user(&user).await.unwrap().unwrap();
    assert_eq!((stored.login.as_str(), stored.sub.as_str(), stored.forgejo_id), ("alice", "1", 1));
    let grant = store.grant(&"g".into()).await.unwrap().unwrap();
    assert_eq!((grant.user, grant.client, grant.scope), (user, "c".into(), ScopeSet::READ_WRITE));
    let code = store.code(&TokenHash::of("code")).await.unwrap().unwrap();
    assert_eq!((code.grant.id, code.expires_at, code.used_at), ("g".into(), Timestamp(60_000), None));
    assert!(store.client(&"c".into()).await.unwrap().unwrap().authorized);
}

on_each!(a_second_login_keeps_the_user_and_his_other_connections_and_revives_his_credential);
async fn a_second_login_keeps_the_user_and_his_other_connections_and_revives_his_credential(at: Scratch) {
    let store = at.store().await;
    let user = logged_in(&store).await;
    store.take_lease(&user, 1, "a", Timestamp(0), Timestamp(9)).await.unwrap();
    store.mark_dead(&user, 1, "refused").await.unwrap();
    let second = Login { access_token: "second", counter: Some(2), ..Login::of("h") };
    let completed = second.write(&store).await.unwrap();
    assert_eq!(completed, LoginCompleted { user: user.clone(), ended_grants: vec![] });
    let row = store.credential(&user).await.unwrap().unwrap();
    assert_eq!((row.version, row.access_token.as_str(), row.dead, row.lease), (3, "second", None, None));
    assert_eq!(store.grants_of_user(&user).await.unwrap().len(), 2);
}

on_each!(a_login_under_another_forgejo_grant_ends_the_earlier_connections);
async fn a_login_under_another_forgejo_grant_ends_the_earlier_connections(at: Scratch) {
    let store = at.store().await;
    let user = logged_in(&store).await;
    Login { counter: Some(2), ..Login::of("h") }.write(&store).await.unwrap();
    store.revoke_grant(&"h".into(), Timestamp(1)).await.unwrap();
    Login { counter: Some(3), ..Login::of("i") }.write(&store).await.unwrap();
    let completed = Login { upstream_grant: Some(8), now: 5, ..Login::of("j") }.write(&store).await.unwrap();
    assert_eq!(completed.ended_grants, ["g".into(), "i".into()]);
    let live = store.grants_of_user(&user).await.unwrap();
    assert_eq!(live.iter().map(|grant| grant.id.as_str()).collect::<Vec<_>>(), ["j"]);
    assert!(store.code(&TokenHash::of("code")).await.unwrap().is_none());
    assert_eq!(store.credential(&user).await.unwrap().unwrap().grant_id, Some(8));
}

on_each!(an_unknown_forgejo_grant_ends_nothing);
async fn an_unknown_forgejo_grant_ends_nothing(at: Scratch) {
    let store = at.store().await;
    logged_in(&store).await;
    let completed = Login { upstream_grant: None, ..Login::of("h") }.write(&store).await.unwrap();
    assert!(completed.ended_grants.is_empty());
    let completed = Login { upstream_grant: Some(8), ..Login::of("i") }.write(&store).await.unwrap();
    assert!(completed.ended_grants.is_empty());
}

on_each!(of_two_logins_that_overtake_each_other_the_later_pair_stays);
async fn of_two_logins_that_overtake_each_other_the_later_pair_stays(at: Scratch) {
    let store = at.store().await;
    client(&store, "c").await;
    let later = Login { access_token: "later", counter: Some(5), ..Login::of("g") };
    let user = later.write(&store).await.unwrap().user;
    let earlier = Login { access_token: "earlier", counter: Some(4), ..Login::of("h") };
    earlier.write(&store).await.unwrap();
    let row = store.credential(&user).await.unwrap().unwrap();
    assert_eq!((row.access_token.as_str(), row.version), ("later", 1));
    assert_eq!(store.grants_of_user(&user).await.unwrap().len(), 2);
}

on_each!(a_dead_pair_gives_way_whatever_its_counter);
async fn a_dead_pair_gives_way_whatever_its_counter(at: Scratch) {
    let store = at.store().await;
    client(&store, "c").await;
    let user = Login { counter: Some(5), ..Login::of("g") }.write(&store).await.unwrap().user;
    store.mark_dead(&user, 1, "refused").await.unwrap();
    Login { access_token: "new", counter: Some(4), ..Login::of("h") }.write(&store).await.unwrap();
    let row = store.credential(&user).await.unwrap().unwrap();
    assert_eq!((row.access_token.as_str(), row.dead), ("new", None));
}

on_each!(a_login_for_a_client_that_is_gone_writes_nothing);
async fn a_login_for_a_client_that_is_gone_writes_nothing(at: Scratch) {
    let store = at.store().await;
    let error = Login::of("g").write(&store).await.unwrap_err();
    assert!(matches!(&error, StoreError::ClientGone(client) if client.as_str() == "c"), "{error}");
    assert_eq!(rows(&store, "SELECT count(*) FROM users").await, 0);
}

on_each!(an_account_login_makes_no_grant_and_follows_the_same_rules);
async fn an_account_login_makes_no_grant_and_follows_the_same_rules(at: Scratch) {
    let store = at.store().await;
    let user = logged_in(&store).await;
    let pair = NewCredential { grant_id: Some(8), ..credential("account") };
    let login = UpstreamLogin {
        user_id_if_new: &"unused".into(),
        issuer: "https://forgejo.example/",
        sub: "1",
        login: "alice-renamed",
        forgejo_id: 1,
        credential: pair,
        now: Timestamp(9),
    };
    let completed = store.complete_account_login(&login).await.unwrap();
    assert_eq!(completed, LoginCompleted { user: user.clone(), ended_grants: vec!["g".into()] });
    assert!(store.grants_of_user(&user).await.unwrap().is_empty());
    let stored = store.user(&user).await.unwrap().unwrap();
    assert_eq!((stored.login.as_str(), stored.last_login_at), ("alice-renamed", Timestamp(9)));
}

on_each!(the_same_sub_at_another_forgejo_is_another_user);
async fn the_same_sub_at_another_forgejo_is_another_user(at: Scratch) {
    let store = at.store().await;
    let user = logged_in(&store).await;
    let login = UpstreamLogin {
        user_id_if_new: &"elsewhere".into(),
        issuer: "https://other.example/",
        sub: "1",
        login: "alice",
        forgejo_id: 1,
        credential: credential("elsewhere"),
        now: Timestamp(0),
    };
    let completed = store.complete_account_login(&login).await.unwrap();
    assert_ne!(completed.user, user);
}

on_each!(sixteen_first_logins_of_one_user_at_once_make_one_user);
async fn sixteen_first_logins_of_one_user_at_once_make_one_user(at: Scratch) {
    let store = at.store().await;
    client(&store, "c").await;
    let users = race(16, &store, |store, index| async move {
        let grant = format!("g{index}");
        Login::of(&grant).write(&store).await.unwrap().user
    })
    .await;
    assert!(users.iter().all(|user| *user == users[0]));
    assert_eq!(store.grants_of_user(&users[0]).await.unwrap().len(), 16);
}

use super::*;

fn limits(change: impl FnOnce(&mut GatewayLimits)) -> Limits {
    let mut config = GatewayLimits::default();
    change(&mut config);
    Limits::new(config, Duration::from_millis(20))
}

#[test]
fn a_bucket_refills_within_a_minute() {
    let start = Instant::now();
    let mut bucket = Bucket::full(60.0, start);
    for _ in 0..60 {
        assert_eq!(bucket.take_one(start), Ok(()));
    }
    assert_eq!(bucket.take_one(start), Err(1));
    assert_eq!(bucket.take_one(start + Duration::from_secs(1)), Ok(()));
    assert_eq!(bucket.take_one(start + Duration::from_secs(1)), Err(1));
    assert!(bucket.is_full(start + Duration::from_mins(2)));
}

#[test]
fn a_debt_is_waited_for() {
    let start = Instant::now();
    let mut bucket = Bucket::full(1000.0, start);
    bucket.take(3000.0, start);
    assert_eq!(bucket.check(start), Err(121));
    assert!(bucket.check(start + Duration::from_secs(121)).is_ok());
}

#[test]
fn one_users_requests_do_not_count_for_another() {
    let limits = limits(|config| config.requests_per_minute = 2);
    let (alice, bob): (Arc<str>, Arc<str>) = ("alice".into(), "bob".into());
    assert!(limits.count(&alice).is_ok());
    assert!(limits.count(&alice).is_ok());
    let refusal = limits.count(&alice).unwrap_err();
    assert!(matches!(refusal, Refusal::Limit { kind: LimitKind::Requests, .. }), "{refusal:?}");
    assert!(limits.count(&bob).is_ok());
}

#[tokio::test]
async fn a_place_is_waited_for_and_given_back() {
    let limits = limits(|config| config.at_once = 1);
    let alice: Arc<str> = "alice".into();
    let place = limits.enter(&alice).await.unwrap();
    let refusal = limits.enter(&alice).await.unwrap_err();
    assert!(matches!(refusal, Refusal::Limit { kind: LimitKind::AtOnce, .. }), "{refusal:?}");
    drop(place);
    assert!(limits.enter(&alice).await.is_ok());
}

#[tokio::test]
async fn bytes_beyond_the_limit_stop_the_next_request() {
    let limits = limits(|config| config.bytes_per_minute = 100);
    let alice: Arc<str> = "alice".into();
    limits.enter(&alice).await.unwrap().spend(1000);
    let refusal = limits.count(&alice).unwrap_err();
    assert!(
        matches!(refusal, Refusal::Limit { kind: LimitKind::Bytes, retry_after } if retry_after > 60),
        "{refusal:?}"
    );
}

#[tokio::test]
async fn rested_users_are_forgotten() {
    let limits = limits(|config| config.requests_per_minute = u32::MAX);
    let indebted: Arc<str> = "indebted".into();
    limits.enter(&indebted).await.unwrap().spend(usize::try_from(u32::MAX).unwrap());
    limits.users.lock().values().for_each(|user| user.bytes.lock().take(1e18, Instant::now()));
    for number in 0..REMEMBERED_USERS * 2 {
        let user: Arc<str> = format!("user {number}").into();
        limits.of(&user);
    }
    let users = limits.users.lock();
    assert!(users.len() <= REMEMBERED_USERS, "{}", users.len());
    assert!(users.contains_key(&indebted), "a debt must not be forgotten");
}

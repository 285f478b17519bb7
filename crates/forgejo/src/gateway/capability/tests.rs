use super::*;

#[test]
fn a_capability_is_found_by_its_token_until_it_is_dropped() {
    let registry = Arc::new(Registry::default());
    let capability = registry.open();
    let token = capability.token().to_owned();
    let holder = registry.find(&token).unwrap();
    assert!(!holder.revoked().is_cancelled());
    drop(capability);
    assert!(registry.find(&token).is_none());
    assert!(holder.revoked().is_cancelled(), "what is under way must end too");
}

#[test]
fn tokens_are_long_random_and_unlike() {
    let registry = Arc::new(Registry::default());
    let (one, two) = (registry.open(), registry.open());
    assert_eq!(one.token().len(), 64);
    assert!(one.token().bytes().all(|digit| digit.is_ascii_hexdigit()));
    assert_ne!(one.token(), two.token());
}

#[test]
fn near_misses_open_nothing() {
    let registry = Arc::new(Registry::default());
    let capability = registry.open();
    let token = capability.token().to_owned();
    for wrong in ["", &token[1..], &token.to_uppercase(), &format!("{token}0"), "0"] {
        assert!(registry.find(wrong).is_none() || wrong == token, "{wrong}");
    }
}

#[test]
fn the_token_is_not_in_debug_output() {
    let registry = Arc::new(Registry::default());
    let capability = registry.open();
    assert!(!format!("{capability:?}").contains(capability.token()));
}

#[test]
fn a_later_assignment_replaces_the_earlier_one() {
    let registry = Arc::new(Registry::default());
    let capability = registry.open();
    let holder = registry.find(capability.token()).unwrap();
    assert_eq!(holder.assignment(), None);
    for grant in ["first", "second"] {
        capability.assign(GatewayAssignment { user: "7".into(), grant: grant.into() });
        assert_eq!(&*holder.assignment().unwrap().grant, grant);
    }
    capability.assign(GatewayAssignment { user: "8".into(), grant: "third".into() });
    assert_eq!(&*holder.assignment().unwrap().user, "7");
    assert!(!holder.is_ready());
    capability.ready();
    assert!(holder.is_ready());
}

#[test]
fn a_capability_opens_nothing_while_its_condition_does_not_hold() {
    let registry = Arc::new(Registry::default());
    let capability = registry.open();
    let holds = Arc::new(AtomicBool::new(true));
    let seen = Arc::clone(&holds);
    capability.only_while(Box::new(move || seen.load(Ordering::Relaxed)));
    assert!(registry.find(capability.token()).is_some());
    holds.store(false, Ordering::Relaxed);
    assert!(registry.find(capability.token()).is_none());
    holds.store(true, Ordering::Relaxed);
    assert!(registry.find(capability.token()).is_some());
    capability.revoke();
    assert!(registry.find(capability.token()).is_none());
}

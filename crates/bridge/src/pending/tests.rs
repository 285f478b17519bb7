use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn waiter() -> (Waiter, oneshot::Receiver<Result<Message, Refusal>>) {
    let (answer, answered) = oneshot::channel();
    (Waiter::Broker { answer, method: "x".into() }, answered)
}

#[test]
fn trap_8_a_buried_call_is_late_once_and_then_unknown() {
    let mut pending = Pending::default();
    let id = pending.open(waiter().0, Instant::now()).ok().expect("open");
    assert!(pending.bury(id).is_some());
    assert!(pending.bury(id).is_none());
    assert!(matches!(pending.answer(id), Answered::Late));
    assert!(matches!(pending.answer(id), Answered::Unknown));
}

#[test]
fn trap_8_tombstones_are_capped_and_the_oldest_go_first() {
    let mut pending = Pending::default();
    let ids: Vec<u64> = (0..MAX_TOMBSTONES + 10)
        .map(|_| {
            let id = pending.open(waiter().0, Instant::now()).ok().expect("open");
            pending.bury(id);
            id
        })
        .collect();
    assert!(pending.tombstones.len() <= MAX_TOMBSTONES && pending.burial_order.len() <= MAX_TOMBSTONES);
    assert!(matches!(pending.answer(ids[0]), Answered::Unknown));
    assert!(matches!(pending.answer(*ids.last().expect("some")), Answered::Late));
}

#[test]
fn answered_tombstones_make_room() {
    let mut pending = Pending::default();
    for _ in 0..10 * MAX_TOMBSTONES {
        let id = pending.open(waiter().0, Instant::now()).ok().expect("open");
        pending.bury(id);
        assert!(matches!(pending.answer(id), Answered::Late));
    }
    assert!(pending.tombstones.is_empty() && pending.burial_order.len() <= MAX_TOMBSTONES);
}

#[test]
fn a_closed_table_gives_everything_back_and_takes_nothing() {
    let mut pending = Pending::default();
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let (waiter, answered) = waiter();
            pending.open(waiter, Instant::now()).ok().expect("open");
            answered
        })
        .collect();
    assert_eq!(pending.close().len(), waiting.len());
    assert!(pending.is_closed());
    assert!(pending.open(waiter().0, Instant::now()).is_err());
}

#[derive(Debug, Clone)]
enum Step {
    Open(u64),
    Answer(usize),
    Bury(usize),
    Expire(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0_u64..100).prop_map(Step::Open),
        (0_usize..40).prop_map(Step::Answer),
        (0_usize..40).prop_map(Step::Bury),
        (0_u64..100).prop_map(Step::Expire),
    ]
}

/// What the table should know of an id.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Known {
    Open(u64),
    Buried,
    Gone,
}

proptest! {
    #[test]
    fn every_call_is_answered_exactly_once_whatever_the_order(steps in proptest::collection::vec(step(), 0..200)) {
        let begun = Instant::now();
        let at = |seconds: u64| begun + Duration::from_secs(seconds);
        let mut pending = Pending::default();
        let mut model: HashMap<u64, Known> = HashMap::new();
        let mut ids = Vec::new();
        for step in steps {
            match step {
                Step::Open(deadline) => {
                    let id = pending.open(waiter().0, at(deadline)).ok().expect("open");
                    prop_assert!(model.insert(id, Known::Open(deadline)).is_none(), "an id was used twice");
                    ids.push(id);
                }
                Step::Answer(index) => {
                    let Some(id) = ids.get(index) else { continue };
                    let known = model.insert(*id, Known::Gone).expect("known");
                    match pending.answer(*id) {
                        Answered::Open(..) => prop_assert!(matches!(known, Known::Open(_))),
                        Answered::Late => prop_assert_eq!(known, Known::Buried),
                        Answered::Unknown => prop_assert_eq!(known, Known::Gone),
                    }
                }
                Step::Bury(index) => {
                    let Some(id) = ids.get(index) else { continue };
                    let open = matches!(model[id], Known::Open(_));
                    prop_assert_eq!(pending.bury(*id).is_some(), open);
                    if open {
                        model.insert(*id, Known::Buried);
                    }
                }
                Step::Expire(now) => {
                    for (id, _) in pending.expire(at(now)) {
                        let known = model.insert(id, Known::Buried).expect("known");
                        prop_assert!(matches!(known, Known::Open(deadline) if deadline <= now));
                    }
                    prop_assert!(!model.values().any(|known| matches!(known, Known::Open(deadline) if *deadline <= now)));
                }
            }
            let next = model.values().filter_map(|known| match known { Known::Open(deadline) => Some(at(*deadline)), _ => None }).min();
            prop_assert_eq!(pending.watch_deadline(), next);
        }
    }
}

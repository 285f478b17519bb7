//! The token family as a state machine: random histories against a model that keeps a list.

use proptest::prelude::*;

use super::*;
use crate::testing::Kind;

#[derive(Debug, Clone)]
enum Step {
    /// Presents the refresh token of the pair at this position.
    Rotate {
        pair: prop::sample::Index,
        window: bool,
    },
    RevokeAccess {
        pair: prop::sample::Index,
    },
    RevokeGrant,
    Wait(i64),
    Sweep,
}

struct Pair {
    tokens: NewTokens,
    predecessor: Option<usize>,
    access_revoked: bool,
    consumed: Option<(Timestamp, Option<Vec<u8>>)>,
}

struct Model {
    now: Timestamp,
    revoked: Option<Timestamp>,
    pairs: Vec<Pair>,
}

const WINDOW: i64 = 120_000;
/// Shorter than the longest history, so that tokens expire in some.
const LIFETIME: i64 = 300_000;

impl Model {
    fn pair(&self, predecessor: Option<usize>) -> Pair {
        let name = self.pairs.len().to_string();
        let tokens = NewTokens { refresh_expires_at: Timestamp(self.now.0 + LIFETIME), ..tokens(&name, self.now.0) };
        Pair { tokens, predecessor, access_revoked: false, consumed: None }
    }

    fn state(&self, pair: &Pair) -> RefreshState {
        match (self.revoked, &pair.consumed) {
            (Some(at), _) => RefreshState::Revoked { at },
            (None, None) => RefreshState::Valid,
            (None, Some((at, sealed))) => {
                RefreshState::Consumed { at: *at, successor: sealed.clone().map(SealedSuccessor) }
            }
        }
    }

    async fn apply(&mut self, store: &Store, step: &Step) {
        match step {
            Step::Rotate { pair, window } => {
                let index = pair.index(self.pairs.len());
                let next = self.pair(Some(index));
                let sealed = window.then(|| format!("sealed pair {}", self.pairs.len()).into_bytes());
                let hash = self.pairs[index].tokens.refresh_hash;
                let outcome = store.rotate(&hash, self.now, &next.tokens, sealed.as_deref()).await.unwrap();
                let expired = self.now > self.pairs[index].tokens.refresh_expires_at;
                if self.state(&self.pairs[index]) == RefreshState::Valid && !expired {
                    assert!(matches!(outcome, Rotated::Won), "{outcome:?}");
                    self.pairs[index].consumed = Some((self.now, sealed));
                    if let Some(consumed) = self.pairs[index].predecessor.and_then(|p| self.pairs[p].consumed.as_mut())
                    {
                        consumed.1 = None;
                    }
                    self.pairs.push(next);
                } else {
                    let expected = self.state(&self.pairs[index]);
                    assert!(matches!(outcome, Rotated::Lost(record) if record.state == expected));
                    assert!(store.refresh_token(&next.tokens.refresh_hash).await.unwrap().is_none());
                }
            }
            Step::RevokeAccess { pair } => {
                let index = pair.index(self.pairs.len());
                let was_there = self.revoked.is_none() && !self.pairs[index].access_revoked;
                let hash = self.pairs[index].tokens.access_hash;
                assert_eq!(store.revoke_access_token(&hash, self.now).await.unwrap(), was_there);
                self.pairs[index].access_revoked = true;
            }
            Step::RevokeGrant => {
                let ended = store.revoke_grant(&"g".into(), self.now).await.unwrap();
                assert_eq!(ended, self.revoked.is_none());
                self.revoked.get_or_insert(self.now);
            }
            Step::Wait(time) => self.now.0 += time,
            Step::Sweep => {
                store.erase_expired_successors(Timestamp(self.now.0 - WINDOW)).await.unwrap();
                for (at, sealed) in self.pairs.iter_mut().filter_map(|pair| pair.consumed.as_mut()) {
                    if at.0 < self.now.0 - WINDOW {
                        *sealed = None;
                    }
                }
            }
        }
    }

    async fn check(&self, store: &Store) {
        let mut usable = 0;
        for pair in &self.pairs {
            let state = state(store, &pair.tokens.refresh_hash).await;
            assert_eq!(state, self.state(pair));
            usable += usize::from(state == RefreshState::Valid);
            let access = store.access_token(&pair.tokens.access_hash).await.unwrap();
            assert_eq!(access.is_some(), self.revoked.is_none() && !pair.access_revoked);
        }
        assert!(usable <= 1, "a family has one refresh token that is good");
    }
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![2 => Just(Kind::Sqlite), 1 => Just(Kind::Postgres)]
}

fn step() -> impl Strategy<Value = Step> {
    let pair = any::<prop::sample::Index>;
    prop_oneof![
        6 => (pair(), any::<bool>()).prop_map(|(pair, window)| Step::Rotate { pair, window }),
        1 => pair().prop_map(|pair| Step::RevokeAccess { pair }),
        1 => Just(Step::RevokeGrant),
        3 => (0..2 * WINDOW).prop_map(Step::Wait),
        1 => Just(Step::Sweep),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn any_history_of_a_token_family_follows_the_model(kind in kind(), steps in prop::collection::vec(step(), 1..24)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let at = Scratch::new(kind);
            let store = at.store().await;
            logged_in(&store).await;
            let mut model = Model { now: NOW, revoked: None, pairs: vec![] };
            let first = model.pair(None);
            store.redeem_code(&TokenHash::of("code"), NOW, &first.tokens).await.unwrap();
            model.pairs.push(first);
            for step in &steps {
                model.apply(&store, step).await;
                model.check(&store).await;
            }
        });
    }
}

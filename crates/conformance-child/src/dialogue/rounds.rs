//! 2026-07-28: input-required results and retries (mcp.md §3.11).

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Interruption, Memory, Question};
use crate::capabilities::{self, Capabilities};
use crate::fault::Fault;
use crate::message::Members;
use crate::seal::Seal;

/// What one request brought of the rounds so far.
pub(crate) struct Rounds {
    capabilities: Capabilities,
    seal: Arc<Seal>,
    /// What a state of ours must have been made for (R06).
    subject: Value,
    has_state: bool,
    /// The answers of each round that is over.
    earlier: Vec<Members>,
    /// The answers of the round that the client has just come back from.
    responses: Option<Members>,
    round: usize,
}

// === impl Rounds ===

impl Rounds {
    /// Reads `inputResponses` and `requestState` of a request that is about `subject`.
    pub(crate) fn read(
        params: &Members,
        subject: Value,
        capabilities: Capabilities,
        seal: Arc<Seal>,
    ) -> Result<Self, Fault> {
        let responses = match params.get("inputResponses") {
            None => None,
            Some(Value::Object(responses)) => Some(responses.clone()),
            Some(_) => return Err(Fault::invalid_params("`inputResponses` is not an object")),
        };
        let state = match params.get("requestState") {
            None => None,
            Some(Value::String(sealed)) => {
                Some(seal.open(sealed).filter(|state| state["subject"] == subject).ok_or_else(|| {
                    Fault::invalid_params("`requestState` is none that this request was answered with")
                })?)
            }
            Some(_) => return Err(Fault::invalid_params("`requestState` is not a string")),
        };
        let rounds = state.as_ref().and_then(|state| state["earlier"].as_array());
        let earlier = rounds.into_iter().flatten().filter_map(|round| round.as_object().cloned()).collect();
        Ok(Self { capabilities, seal, subject, has_state: state.is_some(), earlier, responses, round: 0 })
    }

    pub(super) fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    pub(super) fn ask(&mut self, memory: Memory, questions: &[Question]) -> Result<Vec<Value>, Interruption> {
        let undeclared: Vec<_> =
            questions.iter().map(|question| question.kind).filter(|kind| !self.capabilities.declare(*kind)).collect();
        if !undeclared.is_empty() {
            return Err(Fault::undeclared(&capabilities::naming(&undeclared)).into());
        }
        let round = self.round;
        self.round += 1;
        if self.earlier.len() == round
            && (memory == Memory::None || self.has_state)
            && let Some(responses) = self.responses.take()
            && has_all(questions, &responses)?
        {
            self.earlier.push(responses);
        }
        if let Some(answers) = self.earlier.get(round) {
            return Ok(questions
                .iter()
                .map(|question| answers.get(question.key).cloned().unwrap_or_default())
                .collect());
        }
        let requests = questions.iter().map(|question| (question.key.to_owned(), request(question))).collect();
        let state = (memory == Memory::Sealed)
            .then(|| self.seal.close(&json!({ "subject": self.subject, "round": round, "earlier": self.earlier })));
        Err(Interruption::InputRequired { requests, state })
    }
}

/// Whether every question is answered; what nobody asked is ignored, what is malformed is an error (R08).
fn has_all(questions: &[Question], responses: &Map<String, Value>) -> Result<bool, Fault> {
    for question in questions {
        match responses.get(question.key) {
            None => return Ok(false),
            Some(answer) if question.kind.accepts(answer) => {}
            Some(_) => {
                let (key, method) = (question.key, question.kind.method());
                return Err(Fault::invalid_params(format!("`inputResponses.{key}` is no answer to {method}")));
            }
        }
    }
    Ok(true)
}

fn request(question: &Question) -> Value {
    json!({ "method": question.kind.method(), "params": question.params })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capabilities::Kind;

    fn rounds(params: &Value) -> Result<Rounds, Fault> {
        let seal = Arc::new(Seal::new(Some("test")).unwrap());
        let all = capabilities::naming(&[Kind::Elicitation, Kind::Sampling, Kind::Roots]);
        Rounds::read(params.as_object().unwrap(), json!("subject"), Capabilities::read(&all).unwrap(), seal)
    }

    fn question(key: &'static str) -> Question {
        Question { key, kind: Kind::Elicitation, params: json!({}) }
    }

    fn asked(params: &Value, memory: Memory) -> Result<Vec<Value>, Interruption> {
        rounds(params)?.ask(memory, &[question("who")])
    }

    fn state_of(interruption: Interruption) -> String {
        match interruption {
            Interruption::InputRequired { state: Some(state), .. } => state,
            other => panic!("no state in {other:?}"),
        }
    }

    #[test]
    fn answers_without_a_state_are_enough_where_nothing_is_remembered() {
        let answer = json!({"action": "decline"});
        let given = asked(&json!({"inputResponses": {"who": answer, "stray": 1}}), Memory::None).unwrap();
        assert_eq!(given, [answer]);
    }

    #[test]
    fn answers_without_the_state_are_asked_for_again_where_one_was_given() {
        let params = json!({"inputResponses": {"who": {"action": "decline"}}});
        let again = asked(&params, Memory::Sealed).unwrap_err();
        let mut retry = params;
        retry["requestState"] = state_of(again).into();
        assert_eq!(asked(&retry, Memory::Sealed).unwrap(), [json!({"action": "decline"})]);
    }

    #[test]
    fn a_second_round_has_another_state_and_keeps_the_answers_of_the_first() {
        let first = state_of(asked(&json!({}), Memory::Sealed).unwrap_err());
        let mut second =
            rounds(&json!({"requestState": first, "inputResponses": {"who": {"action": "cancel"}}})).unwrap();
        second.ask(Memory::Sealed, &[question("who")]).unwrap();
        let state = state_of(second.ask(Memory::Sealed, &[question("why")]).unwrap_err());
        assert_ne!(state, first);
        let mut third =
            rounds(&json!({"requestState": state, "inputResponses": {"why": {"action": "decline"}}})).unwrap();
        assert_eq!(third.ask(Memory::Sealed, &[question("who")]).unwrap(), [json!({"action": "cancel"})]);
        assert_eq!(third.ask(Memory::Sealed, &[question("why")]).unwrap(), [json!({"action": "decline"})]);
    }

    #[test]
    fn what_is_malformed_is_refused_and_what_is_missing_is_asked_for_again() {
        for params in [
            json!({"inputResponses": null}),
            json!({"inputResponses": {"who": 12345}}),
            json!({"requestState": 1}),
            json!({"requestState": "made.up"}),
        ] {
            let refused = asked(&params, Memory::None);
            assert!(matches!(refused, Err(Interruption::Fault(_))), "{params}: {refused:?}");
        }
        let again = asked(&json!({"inputResponses": {"wrong": {"action": "cancel"}}}), Memory::None);
        assert!(matches!(again, Err(Interruption::InputRequired { .. })), "{again:?}");
    }

    #[test]
    fn only_what_the_client_declared_is_asked_for() {
        let seal = Arc::new(Seal::new(None).unwrap());
        let sampling = Capabilities::read(&json!({"sampling": {}, "elicitation": {"url": {}}})).unwrap();
        let mut rounds = Rounds::read(&Map::new(), json!(""), sampling, seal).unwrap();
        let Err(Interruption::Fault(fault)) = rounds.ask(Memory::None, &[question("who")]) else { panic!("asked") };
        assert_eq!(fault.into_value()["data"]["requiredCapabilities"], json!({"elicitation": {}}));
    }
}

use bytes::Bytes;

use super::*;
use crate::call::{After, Ticket};
use crate::desk::Opening;
use crate::envelope::{Bounds, Incoming, read_post};
use crate::event_log::EventLog;
use crate::observer::NoObserver;
use crate::process::{Exit, ExitTeller};
use crate::reply::Principal;
use crate::scrub::Scrubbing;
use crate::speech::{Speech, Tongue};
use crate::starter::StopWorker;
use crate::tally::Tally;
use crate::tools::Tools;

struct NoAccess;

impl WorkerAccess for NoAccess {
    fn url(&self) -> &'static str {
        "http://127.0.0.1:1"
    }
    fn token(&self) -> &'static str {
        "capability"
    }
    fn public_url(&self) -> &'static str {
        "https://forge.example"
    }
    fn only_under(&self, _: Arc<dyn crate::replica::Lease>) {}
    fn revoke(&self) {}
    fn assign(&self, _: &Principal) {}
    fn ready(&self) {}
}

struct NoDesk;

impl Desk for NoDesk {
    fn tongue(&self, _: &Speech) -> Option<Tongue> {
        None
    }
    fn notified(&self, _: &Arc<Worker>, _: Message) {}
    fn asked(&self, _: &Arc<Worker>, _: Message, _: RawId) {}
    fn question_withdrawn(&self, _: &Arc<Worker>, _: Message) {}
    fn answered(&self, _: &After, _: &Message) {}
    fn opening(&self) -> Opening {
        Opening { initialize: Bytes::new(), replay: None }
    }
    fn opened(&self, _: &Arc<Worker>, _: bool) {}
    fn needs_worker(&self) -> bool {
        false
    }
    fn ended(&self, _: &Arc<Worker>, _: &End, unsent: Vec<Call>) {
        assert!(unsent.is_empty());
    }
}

struct NoProcess;

impl StopWorker for NoProcess {
    fn stop(&self, _: Duration) -> futures_util::future::BoxFuture<'_, ExitReport> {
        Box::pin(async { ExitReport { code: Some(0), signal: None, last_stderr_line: None } })
    }
}

fn begin(user: &str) -> (Arc<Worker>, ExitTeller, [tokio::io::DuplexStream; 2]) {
    let (stdin, their_stdin) = tokio::io::duplex(1024);
    let (their_stdout, stdout) = tokio::io::duplex(1024);
    let (teller, exit) = Exit::awaited();
    let access: Arc<dyn WorkerAccess> = Arc::new(NoAccess);
    let parts = Parts {
        scrubber: Scrubbing::default().of(&access),
        tongue: Tongue::Handshake,
        label: "test".into(),
        user: user.into(),
        access,
        config: Arc::default(),
        observer: Arc::new(NoObserver),
        tools: ToolDesk::new(Tools::default()),
        desk: Weak::<NoDesk>::new(),
        question_numbers: Arc::default(),
    };
    let running =
        RunningWorker { stdin: Box::new(stdin), stdout: Box::new(stdout), exit, pid: 1, handle: Box::new(NoProcess) };
    (Worker::begin(parts, running, &TaskTracker::new()), teller, [their_stdin, their_stdout])
}

fn call_of(user: &str) -> Box<Call> {
    let body = Bytes::from_static(br#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
    let Ok(Incoming::One(message)) = read_post(&body, Bounds { depth: 9, batch: 1 }) else { panic!("a message") };
    let user: Arc<str> = user.into();
    Box::new(Call {
        exchange: Exchange::new(EventLog::without_ids(BridgeConfig::default().stream), 1, false),
        id: message.id().expect("an id"),
        token: None,
        unsent: Some(message),
        deadline: Instant::now() + Duration::from_mins(1),
        after: After::Nothing,
        attempts: 0,
        ticket: Some(Ticket::new(Tally::default().call(&user, 1).expect("room"), None)),
        terms: None,
        errand: None,
        user,
    })
}

#[tokio::test]
async fn trap_28_a_worker_takes_no_call_of_another_user() {
    let (worker, _exit, _pipes) = begin("alice");
    assert!(matches!(worker.call(call_of("mallory")), Err((_, NotTaken::ForeignUser))));
    assert!(worker.call(call_of("alice")).is_ok());
}

#[tokio::test]
async fn a_worker_that_retires_takes_no_call_any_more_and_one_with_a_call_does_not_retire() {
    let reason = || Refusal::in_band(UNAVAILABLE, "test", "test");
    let (worker, _exit, _pipes) = begin("alice");
    assert!(worker.call(call_of("alice")).is_ok());
    assert!(worker.idle_since().is_none() && !worker.retire(reason()));
    let (idle, _exit, _pipes) = begin("alice");
    assert!(idle.idle_since().is_some() && idle.retire(reason()));
    assert!(matches!(idle.call(call_of("alice")), Err((_, NotTaken::Ended))));
}

#[tokio::test]
async fn a_question_to_a_worker_that_has_ended_is_answered() {
    let (worker, exit, _pipes) = begin("alice");
    exit.tell(ExitReport { code: Some(1), signal: None, last_stderr_line: None });
    assert!(worker.ask("ping", None, Duration::from_mins(1)).await.is_err());
}

//! A bridge with workers that the test plays itself, and a store in memory.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bridge::access::{AccessIssuer, WorkerAccess};
use bridge::bridge::Bridge;
use bridge::config::BridgeConfig;
use bridge::observer::{DroppedMessage, Observer, SkippedLine};
use bridge::process::{Exit, ExitReport, ExitTeller, ProcessRequest, SpawnError};
use bridge::profile::{RepeatCall, WorkerEra};
use bridge::replica::Via;
use bridge::reply::{EventStream, GetHead, PostHead, Principal, Reply, ReplyBody};
use bridge::session_store::{Holding, Kept, Peer, SessionRecord, SessionStore, SessionStoreUnavailable};
use bridge::starter::{RunningWorker, StartWorker, StopWorker};
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Nothing that a test waits for takes longer; with the clock paused, waiting costs nothing.
const PATIENCE: Duration = Duration::from_mins(500);

pub(crate) const GATEWAY: &str = "http://127.0.0.1:4001";
pub(crate) const FORGEJO: &str = "https://forge.example";

pub(crate) async fn soon<F: Future>(what: F) -> F::Output {
    tokio::time::timeout(PATIENCE, what).await.expect("it never happened")
}

pub(crate) fn principal(user: &str) -> Principal {
    Principal { user: user.into(), client: "client".into(), grant: format!("grant of {user}").into() }
}

// === The bridge and its surroundings ===

pub(crate) struct House {
    pub(crate) bridge: Bridge,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) issuer: Arc<Issuer>,
    pub(crate) seen: Arc<Seen>,
    workers: tokio::sync::Mutex<mpsc::UnboundedReceiver<Puppet>>,
    failures: Arc<Mutex<Vec<SpawnError>>>,
    program: Arc<Mutex<String>>,
}

impl House {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut BridgeConfig)) -> Self {
        Self::on(Arc::default(), change)
    }

    /// A bridge on a store that another one may have used.
    pub(crate) fn on(store: Arc<MemoryStore>, change: impl FnOnce(&mut BridgeConfig)) -> Self {
        Self::build(store, Vec::new(), WorkerEra::Legacy, change)
    }

    /// With a program of another era than the legacy one.
    pub(crate) fn of_era(era: WorkerEra, change: impl FnOnce(&mut BridgeConfig)) -> Self {
        Self::build(Arc::default(), Vec::new(), era, change)
    }

    /// With a profile that has one tool called after each handshake.
    pub(crate) fn repeating(params: Value) -> Self {
        Self::repeating_in(WorkerEra::Legacy, params)
    }

    pub(crate) fn repeating_in(era: WorkerEra, params: Value) -> Self {
        Self::build(Arc::default(), vec![RepeatCall { method: "tools/call".to_owned(), params }], era, |_| {})
    }

    /// With a machine that refuses the first starts.
    pub(crate) fn build_failing(
        times: usize,
        error: impl Fn() -> SpawnError,
        change: impl FnOnce(&mut BridgeConfig),
    ) -> Self {
        let failures = (0..times).map(|_| error()).collect();
        Self::build_with(Arc::default(), Vec::new(), WorkerEra::Legacy, failures, change)
    }

    /// A bridge that sees `store` through `sessions`.
    pub(crate) fn through(
        store: Arc<MemoryStore>,
        sessions: Arc<dyn SessionStore>,
        change: impl FnOnce(&mut BridgeConfig),
    ) -> Self {
        Self::build_through(store, sessions, Vec::new(), WorkerEra::Legacy, Vec::new(), change)
    }

    fn build(
        store: Arc<MemoryStore>,
        repeat_calls: Vec<RepeatCall>,
        era: WorkerEra,
        change: impl FnOnce(&mut BridgeConfig),
    ) -> Self {
        Self::build_with(store, repeat_calls, era, Vec::new(), change)
    }

    fn build_with(
        store: Arc<MemoryStore>,
        repeat_calls: Vec<RepeatCall>,
        era: WorkerEra,
        failures: Vec<SpawnError>,
        change: impl FnOnce(&mut BridgeConfig),
    ) -> Self {
        Self::build_through(store.clone(), store, repeat_calls, era, failures, change)
    }

    fn build_through(
        store: Arc<MemoryStore>,
        sessions: Arc<dyn SessionStore>,
        repeat_calls: Vec<RepeatCall>,
        era: WorkerEra,
        failures: Vec<SpawnError>,
        change: impl FnOnce(&mut BridgeConfig),
    ) -> Self {
        let mut config = BridgeConfig::default();
        change(&mut config);
        let (tell, workers) = mpsc::unbounded_channel();
        let failures = Arc::new(Mutex::new(failures));
        let program: Arc<Mutex<String>> = Arc::default();
        let starter =
            Starter { started: tell, failures: failures.clone(), repeat_calls, era, program: program.clone() };
        let (issuer, seen): (Arc<Issuer>, Arc<Seen>) = (Arc::default(), Arc::default());
        let bridge = Bridge::start(config, starter, issuer.clone(), sessions, seen.clone());
        Self { bridge, store, issuer, seen, workers: workers.into(), failures, program }
    }

    /// The next worker that the bridge starts.
    pub(crate) async fn worker(&self) -> Puppet {
        soon(async { self.workers.lock().await.recv().await }).await.expect("the bridge is gone")
    }

    /// Whether the bridge has started a worker that the test has not taken yet.
    pub(crate) async fn worker_waits(&self) -> bool {
        !self.workers.lock().await.is_empty()
    }

    /// Another version of the worker's program is installed.
    pub(crate) fn upgrade(&self) {
        self.program.lock().expect("lock").push('+');
    }

    pub(crate) fn fail_next_start(&self, error: SpawnError) {
        self.failures.lock().expect("lock").push(error);
    }

    /// An initialized session and its worker.
    pub(crate) async fn session(&self, version: &str) -> (Client, Puppet) {
        self.session_of("alice", version).await
    }

    pub(crate) async fn session_of(&self, user: &str, version: &str) -> (Client, Puppet) {
        let mut client = self.client(user);
        let reply = client.start(initialize(version));
        let mut worker = self.worker().await;
        worker.greet().await;
        let reply = soon(reply).await.expect("post");
        client.session = reply.session_id.clone();
        assert!(client.session.is_some(), "initialize gave no session: {}", status_and_text(reply));
        assert_eq!(client.post(json!({"jsonrpc":"2.0","method":"notifications/initialized"})).await.status, 202);
        assert_eq!(worker.next().await["method"], "notifications/initialized");
        (client, worker)
    }

    pub(crate) fn client(&self, user: &str) -> Client {
        Client { bridge: self.bridge.clone(), who: principal(user), session: None, version: None }
    }
}

pub(crate) fn initialize(version: &str) -> Value {
    json!({"jsonrpc":"2.0","id":"init","method":"initialize","params":{
        "protocolVersion":version,"capabilities":{"roots":{}},"clientInfo":{"name":"test","version":"1"}}})
}

/// What a worker of 2026-07-28 offers.
pub(crate) fn discovery() -> Value {
    let list = json!({"listChanged":true});
    json!({
        "resultType":"complete","supportedVersions":["2026-07-28"],"instructions":"be kind","ttlMs":5,"cacheScope":"public",
        "capabilities":{"tools":list,"prompts":{},"resources":{"subscribe":true,"listChanged":true},"logging":{},"completions":{}},
        "_meta":{"io.modelcontextprotocol/serverInfo":{"name":"modern puppet","version":"2"}},
    })
}

pub(crate) fn call(id: impl Into<Value>, tool: &str) -> Value {
    json!({"jsonrpc":"2.0","id":id.into(),"method":"tools/call","params":{"name":tool,"arguments":{}}})
}

/// What can be sent: JSON, or text that may be none.
pub(crate) trait Body {
    fn text(self) -> String;
}

impl Body for Value {
    fn text(self) -> String {
        self.to_string()
    }
}

impl Body for &Value {
    fn text(self) -> String {
        self.to_string()
    }
}

impl Body for &str {
    fn text(self) -> String {
        self.to_owned()
    }
}

impl Body for String {
    fn text(self) -> String {
        self
    }
}

// === The client's side ===

#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) bridge: Bridge,
    pub(crate) who: Principal,
    pub(crate) session: Option<String>,
    pub(crate) version: Option<String>,
}

impl Client {
    pub(crate) async fn post(&self, body: impl Body) -> Reply {
        soon(self.post_future(body.text())).await
    }

    /// Posts in the background.
    pub(crate) fn start(&self, body: impl Body) -> JoinHandle<Reply> {
        let (client, body) = (self.clone(), body.text());
        tokio::spawn(async move { client.post_future(body).await })
    }

    async fn post_future(&self, body: String) -> Reply {
        let head = PostHead {
            session_id: self.session.clone(),
            protocol_version: self.version.clone(),
            ..PostHead::default()
        };
        self.bridge.post(&self.who, head, Bytes::from(body)).await
    }

    pub(crate) async fn get(&self, last_event_id: Option<&str>) -> Reply {
        let head = GetHead {
            session_id: self.session.clone(),
            protocol_version: self.version.clone(),
            last_event_id: last_event_id.map(str::to_owned),
            via: Via::Client,
        };
        soon(self.bridge.get(&self.who, head)).await
    }

    pub(crate) async fn stream(&self) -> Events {
        Events::of(self.get(None).await)
    }

    pub(crate) async fn delete(&self) -> Reply {
        soon(self.bridge.delete(&self.who, self.session.as_deref(), Via::Client)).await
    }
}

pub(crate) fn text(reply: Reply) -> String {
    match reply.body {
        ReplyBody::Json(body) | ReplyBody::MayNotWrite(body) => String::from_utf8(body.to_vec()).expect("text"),
        ReplyBody::Empty => String::new(),
        ReplyBody::Events(_) => panic!("an event stream instead of JSON"),
        ReplyBody::LogInAgain => "log in again".to_owned(),
        ReplyBody::Elsewhere(elsewhere) => format!("at {}", elsewhere.replica),
    }
}

pub(crate) fn body(reply: Reply) -> Value {
    serde_json::from_str(&text(reply)).expect("JSON")
}

pub(crate) fn status_and_text(reply: Reply) -> String {
    let status = reply.status;
    format!("{status} {}", text(reply))
}

/// The code of a JSON-RPC error, with the status.
pub(crate) fn refusal(reply: Reply) -> (u16, i64) {
    let status = reply.status;
    (status, body(reply)["error"]["code"].as_i64().expect("an error body"))
}

pub(crate) struct Events(EventStream);

#[derive(Debug, PartialEq)]
pub(crate) enum Frame {
    Comment,
    Event { id: Option<String>, data: Value },
    Priming(String),
}

impl Events {
    pub(crate) fn of(reply: Reply) -> Self {
        assert_eq!(reply.status, 200);
        match reply.body {
            ReplyBody::Events(events) => Self(events),
            _ => panic!("no event stream: {}", status_and_text(reply)),
        }
    }

    /// The next frame, or `None` at the end.
    pub(crate) async fn frame(&mut self) -> Option<Frame> {
        let frame = soon(self.0.next()).await?;
        let text = std::str::from_utf8(&frame).expect("text");
        assert!(text.ends_with("\n\n"), "not a whole frame: {text:?}");
        let field = |name: &str| {
            text.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim_start().to_owned())
        };
        Some(match (field("id:"), field("data:")) {
            (_, None) => Frame::Comment,
            (Some(id), Some(data)) if data.is_empty() => Frame::Priming(id),
            (id, Some(data)) => Frame::Event { id, data: serde_json::from_str(&data).expect("JSON") },
        })
    }

    /// The next event's data.
    pub(crate) async fn data(&mut self) -> Value {
        self.event().await.1
    }

    pub(crate) async fn event(&mut self) -> (String, Value) {
        loop {
            match self.frame().await.expect("the stream has ended") {
                Frame::Event { id, data } => return (id.unwrap_or_default(), data),
                Frame::Comment | Frame::Priming(_) => {}
            }
        }
    }

    /// Everything up to the end.
    pub(crate) async fn rest(mut self) -> Vec<Value> {
        let mut all = Vec::new();
        while let Some(frame) = self.frame().await {
            if let Frame::Event { data, .. } = frame {
                all.push(data);
            }
        }
        all
    }
}

// === The worker's side ===

struct Starter {
    started: mpsc::UnboundedSender<Puppet>,
    failures: Arc<Mutex<Vec<SpawnError>>>,
    repeat_calls: Vec<RepeatCall>,
    era: WorkerEra,
    program: Arc<Mutex<String>>,
}

/// A worker that the test plays.
pub(crate) struct Puppet {
    lines: Lines<BufReader<DuplexStream>>,
    out: DuplexStream,
    exit: Arc<ExitTeller>,
    pub(crate) request: ProcessRequest,
}

struct Handle {
    asked_to_stop: Arc<ExitTeller>,
    exit: Exit,
}

impl StartWorker for Starter {
    fn repeat_calls(&self) -> &[RepeatCall] {
        &self.repeat_calls
    }

    fn era(&self) -> WorkerEra {
        self.era
    }

    fn program(&self) -> Arc<str> {
        self.program.lock().expect("lock").as_str().into()
    }

    fn start(&self, request: ProcessRequest) -> BoxFuture<'_, Result<RunningWorker, SpawnError>> {
        if let Some(error) = self.failures.lock().expect("lock").pop() {
            return Box::pin(async { Err(error) });
        }
        let (stdin, their_stdin) = tokio::io::duplex(64 * 1024);
        let (their_stdout, stdout) = tokio::io::duplex(64 * 1024);
        let (teller, exit) = Exit::awaited();
        let teller = Arc::new(teller);
        let puppet =
            Puppet { lines: BufReader::new(their_stdin).lines(), out: their_stdout, exit: teller.clone(), request };
        let _ = self.started.send(puppet);
        let handle = Box::new(Handle { asked_to_stop: teller, exit: exit.clone() });
        Box::pin(
            async move { Ok(RunningWorker { stdin: Box::new(stdin), stdout: Box::new(stdout), exit, pid: 1, handle }) },
        )
    }
}

impl StopWorker for Handle {
    fn stop(&self, _: Duration) -> BoxFuture<'_, ExitReport> {
        Box::pin(async {
            self.asked_to_stop.tell(ExitReport { code: Some(0), signal: None, last_stderr_line: None });
            self.exit.report().expect("told just now").clone()
        })
    }
}

impl Puppet {
    pub(crate) async fn line(&mut self) -> Option<String> {
        soon(self.lines.next_line()).await.ok().flatten()
    }

    pub(crate) async fn next(&mut self) -> Value {
        let line = self.line().await.expect("stdin was closed");
        serde_json::from_str(&line).expect("JSON")
    }

    /// The next message, which has to be of this method.
    pub(crate) async fn expect(&mut self, method: &str) -> Value {
        let message = self.next().await;
        assert_eq!(message["method"], method, "{message}");
        message
    }

    pub(crate) async fn say(&mut self, message: impl Body) {
        let line = format!("{}\n", message.text());
        self.out.write_all(line.as_bytes()).await.expect("the broker reads");
    }

    pub(crate) async fn answer(&mut self, request: &Value, result: Value) {
        self.say(json!({"jsonrpc":"2.0","id":request["id"],"result":result})).await;
    }

    /// Answers `initialize` and gives back its params.
    pub(crate) async fn greet(&mut self) -> Value {
        self.greet_with(json!({"tools":{}})).await
    }

    /// The same with these capabilities.
    pub(crate) async fn greet_with(&mut self, capabilities: Value) -> Value {
        let request = self.expect("initialize").await;
        let version = request["params"]["protocolVersion"].clone();
        self.answer(
            &request,
            json!({"protocolVersion":version,"capabilities":capabilities,"serverInfo":{"name":"puppet","version":"1"}}),
        )
        .await;
        request["params"].clone()
    }

    /// Answers `server/discover` as a server of 2026-07-28, and gives back what was asked.
    pub(crate) async fn discovered(&mut self) -> Value {
        let request = self.expect("server/discover").await;
        assert_eq!(request["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"], "2026-07-28");
        self.answer(&request, discovery()).await;
        request
    }

    /// Returns when the broker has read everything that was said.
    pub(crate) async fn heard(&mut self) {
        self.say(json!({"jsonrpc":"2.0","id":"heard","method":"ping"})).await;
        assert_eq!(self.next().await, json!({"jsonrpc":"2.0","id":"heard","result":{}}));
    }

    /// Exits with what it has printed so far.
    pub(crate) fn exit(self, code: i32) {
        let report = ExitReport { code: Some(code), signal: None, last_stderr_line: Some("last words".to_owned()) };
        self.exit.tell(report);
    }

    /// Ends by a SIGKILL from outside.
    pub(crate) fn killed(self) {
        self.exit.tell(ExitReport { code: None, signal: Some(9), last_stderr_line: None });
    }

    /// Closes stdout and lives on.
    pub(crate) fn close_output(self) -> Lines<BufReader<DuplexStream>> {
        self.lines
    }

    /// Waits until the broker has closed its stdin. Lines still in it are read over.
    pub(crate) async fn stopped(mut self) {
        while self.line().await.is_some() {}
    }
}

// === Store, access and observer ===

#[derive(Default)]
pub(crate) struct MemoryStore {
    pub(crate) records: Mutex<HashMap<[u8; 32], SessionRecord>>,
    pub(crate) broken: std::sync::atomic::AtomicBool,
    pub(crate) updates: AtomicU64,
    clock: AtomicI64,
}

impl MemoryStore {
    pub(crate) fn only(&self) -> SessionRecord {
        let records = self.records.lock().expect("lock");
        assert_eq!(records.len(), 1);
        records.values().next().expect("one").clone()
    }

    fn check(&self) -> Result<(), SessionStoreUnavailable> {
        if self.broken.load(Ordering::SeqCst) { Err(SessionStoreUnavailable("broken".to_owned())) } else { Ok(()) }
    }
}

impl SessionStore for MemoryStore {
    fn insert(&self, record: SessionRecord) -> BoxFuture<'_, Result<(), SessionStoreUnavailable>> {
        Box::pin(async move {
            self.check()?;
            self.records.lock().expect("lock").insert(record.id_hash, record);
            Ok(())
        })
    }

    fn take(&self, id_hash: [u8; 32]) -> BoxFuture<'_, Result<Holding, SessionStoreUnavailable>> {
        Box::pin(async move {
            self.check()?;
            let record = self.records.lock().expect("lock").get(&id_hash).cloned();
            Ok(record.map_or(Holding::Absent, Holding::Mine))
        })
    }

    fn update(&self, record: SessionRecord) -> BoxFuture<'_, Result<bool, SessionStoreUnavailable>> {
        Box::pin(async move {
            self.check()?;
            self.updates.fetch_add(1, Ordering::SeqCst);
            let mut records = self.records.lock().expect("lock");
            let present = records.get_mut(&record.id_hash).filter(|present| present.epoch == record.epoch);
            Ok(present.map(|present| *present = record).is_some())
        })
    }

    fn release(&self, _: [u8; 32], _: i64) -> BoxFuture<'_, Result<(), SessionStoreUnavailable>> {
        Box::pin(async { panic!("there is nobody to release it to") })
    }

    fn delete(&self, id_hash: [u8; 32], epoch: Option<i64>) -> BoxFuture<'_, Result<(), SessionStoreUnavailable>> {
        Box::pin(async move {
            self.check()?;
            let mut records = self.records.lock().expect("lock");
            if records.get(&id_hash).is_some_and(|record| epoch.is_none_or(|epoch| epoch == record.epoch)) {
                records.remove(&id_hash);
            }
            Ok(())
        })
    }

    fn peer(&self, _: Arc<str>) -> BoxFuture<'_, Result<Option<Peer>, SessionStoreUnavailable>> {
        Box::pin(async { Ok(None) })
    }

    fn delete_of_grant(&self, grant: Arc<str>) -> BoxFuture<'_, Result<(), SessionStoreUnavailable>> {
        Box::pin(async move {
            self.check()?;
            self.records.lock().expect("lock").retain(|_, record| record.grant != grant);
            Ok(())
        })
    }

    fn trim(
        &self,
        user: Arc<str>,
        grant: Arc<str>,
        kept: Kept,
        spare: Vec<[u8; 32]>,
    ) -> BoxFuture<'_, Result<Vec<[u8; 32]>, SessionStoreUnavailable>> {
        Box::pin(async move {
            self.check()?;
            let mut records = self.records.lock().expect("lock");
            let mut forgotten = Vec::new();
            let is_of_grant = |record: &SessionRecord| record.grant == grant;
            let is_of_user = |record: &SessionRecord| record.user == user;
            for (is_of, kept) in [(&is_of_grant as &dyn Fn(&_) -> bool, kept.of_grant), (&is_of_user, kept.of_user)] {
                let mut own: Vec<_> = records.values().filter(|record| is_of(record)).cloned().collect();
                own.sort_by_key(|record| (record.last_seen, record.created_at));
                let surplus = own.len().saturating_sub(kept);
                let unused = own.iter().map(|record| record.id_hash).filter(|id| !spare.contains(id));
                for id in unused.take(surplus) {
                    records.remove(&id);
                    forgotten.push(id);
                }
            }
            Ok(forgotten)
        })
    }

    fn now(&self) -> i64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }
}

#[derive(Default)]
pub(crate) struct Issuer {
    pub(crate) accesses: Mutex<Vec<Arc<Access>>>,
}

pub(crate) struct Access {
    token: String,
    pub(crate) assigned: Mutex<Vec<Principal>>,
    pub(crate) ready: AtomicU64,
    pub(crate) revoked: AtomicU64,
    pub(crate) lease: Mutex<Option<Arc<dyn bridge::replica::Lease>>>,
}

impl AccessIssuer for Issuer {
    fn open(&self) -> Arc<dyn WorkerAccess> {
        let mut accesses = self.accesses.lock().expect("lock");
        let token = format!("capability-{}", accesses.len());
        let access = Arc::new(Access {
            token,
            assigned: Mutex::default(),
            ready: AtomicU64::new(0),
            revoked: AtomicU64::new(0),
            lease: Mutex::default(),
        });
        accesses.push(access.clone());
        access
    }
}

impl WorkerAccess for Access {
    fn url(&self) -> &str {
        GATEWAY
    }
    fn token(&self) -> &str {
        &self.token
    }
    fn public_url(&self) -> &str {
        FORGEJO
    }
    fn only_under(&self, lease: Arc<dyn bridge::replica::Lease>) {
        *self.lease.lock().expect("lock") = Some(lease);
    }
    fn revoke(&self) {
        self.revoked.fetch_add(1, Ordering::SeqCst);
    }
    fn assign(&self, principal: &Principal) {
        self.assigned.lock().expect("lock").push(principal.clone());
    }
    fn ready(&self) {
        self.ready.fetch_add(1, Ordering::SeqCst);
    }
}

#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) skipped: Mutex<Vec<SkippedLine>>,
    pub(crate) dropped: Mutex<Vec<DroppedMessage>>,
    pub(crate) revived: AtomicU64,
    pub(crate) hibernated: AtomicU64,
    pub(crate) warm_used: AtomicU64,
    pub(crate) warm_lost: AtomicU64,
}

impl Observer for Seen {
    fn warm_worker_used(&self) {
        self.warm_used.fetch_add(1, Ordering::SeqCst);
    }
    fn warm_worker_lost(&self) {
        self.warm_lost.fetch_add(1, Ordering::SeqCst);
    }
    fn line_skipped(&self, why: SkippedLine) {
        self.skipped.lock().expect("lock").push(why);
    }
    fn message_dropped(&self, why: DroppedMessage) {
        self.dropped.lock().expect("lock").push(why);
    }
    fn session_revived(&self) {
        self.revived.fetch_add(1, Ordering::SeqCst);
    }
    fn session_hibernated(&self) {
        self.hibernated.fetch_add(1, Ordering::SeqCst);
    }
}

//! The process: a thread that reads, workers for tools/call, signals, the end.
//!
//! As in mcp-go, everything but tools/call is answered by the reading thread itself, so a slow method holds up what
//! follows; tool calls go to five workers behind a queue of 100, and inline when that is full.

use std::io::{self, BufRead};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use serde_json::value::RawValue;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::api::Api;
use crate::asks::{Asks, Cancellations};
use crate::catalogue::{Catalogue, Found};
use crate::go;
use crate::journal::Journal;
use crate::load::Load;
use crate::members::{Members, WrongKind};
use crate::methods;
use crate::options::Options;
use crate::output::{Answer, Output};
use crate::received::Received;
use crate::resources::Resources;
use crate::start;
use crate::tools::Call;

const QUEUE: usize = 100;
/// mcp-go's level of a fresh session: error.
const FIRST_LEVEL: usize = 4;

/// Everything that a call may touch.
pub(crate) struct Fixture {
    pub(crate) options: Options,
    pub(crate) api: Api,
    pub(crate) output: Output,
    pub(crate) asks: Asks,
    pub(crate) cancellations: Cancellations,
    pub(crate) catalogue: Catalogue,
    pub(crate) received: Received,
    pub(crate) resources: Resources,
    journal: Journal,
    load: Load,
    session: AtomicBool,
    level: AtomicUsize,
    ignore_sigterm: AtomicBool,
    ignore_eof: AtomicBool,
}

/// Runs the program to its end.
pub(crate) fn run(options: Options, journal: &Journal) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    if let Some(seconds) = options.linger {
        runtime.block_on(async { tokio::time::sleep(Duration::from_secs(seconds)).await });
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(status) = options.start_exit {
        journal.fatal("asked to exit at once");
        return Ok(ExitCode::from(status));
    }
    if options.start_hang {
        runtime.block_on(std::future::pending::<()>());
    }
    let api = Api::new(&options)?;
    runtime.block_on(async { tokio::time::sleep(options.start_delay()).await });
    if !options.no_probes {
        runtime.block_on(start::probe(&api, &options, journal))?;
    }
    let fixture = Arc::new(Fixture::new(options, api, *journal)?);
    let end = serve(&fixture, &runtime)?;
    // The reading thread may hang in a read for ever; leaving main does not wait for it, dropping the runtime might.
    std::process::exit(end);
}

fn serve(fixture: &Arc<Fixture>, runtime: &tokio::runtime::Runtime) -> io::Result<i32> {
    let handle = runtime.handle().clone();
    let _entered = handle.enter();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (queue, work) = sync_channel(QUEUE);
    let work = Arc::new(Mutex::new(work));
    for _ in 0..fixture.options.workers {
        let (fixture, handle, work) = (Arc::clone(fixture), handle.clone(), Arc::clone(&work));
        thread::Builder::new().name("worker".into()).spawn(move || serve_calls(&fixture, &handle, &work))?;
    }
    let (finished, mut eof) = oneshot::channel();
    let reader = Arc::clone(fixture);
    thread::Builder::new().name("reader".into()).spawn(move || {
        reader.read(&handle, &queue);
        // The receiver lives as long as main.
        let _ = finished.send(());
    })?;
    fixture.journal.info("operation/operation.go:118", "MCP server ready for stdio communication");
    let mut reading = true;
    loop {
        let ended = runtime.block_on(async {
            tokio::select! {
                _ = &mut eof, if reading => true,
                _ = terminate.recv() => false,
                _ = interrupt.recv() => false,
            }
        });
        if ended && fixture.ignore_eof.load(Ordering::Relaxed) {
            reading = false;
        } else if ended {
            fixture.load.drain();
            fixture.journal.info("operation/operation.go:125", "MCP stdio server shutdown");
            return Ok(0);
        } else if !fixture.ignore_sigterm.load(Ordering::Relaxed) {
            fixture.load.stop();
            let text = "MCP stdio server failed\t{\"error\": \"context canceled\"}";
            fixture.journal.error("operation/operation.go:120", text, fixture.options.habits.start_stack());
            return Ok(0);
        }
    }
}

fn serve_calls(fixture: &Fixture, handle: &Handle, work: &Mutex<Receiver<Members>>) {
    loop {
        let next = work.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(message) = next else { return };
        fixture.run_queued(handle, &message);
    }
}

// === impl Fixture ===

impl Fixture {
    fn new(options: Options, api: Api, journal: Journal) -> io::Result<Self> {
        Ok(Self {
            catalogue: Catalogue::new(&options)?,
            ignore_sigterm: AtomicBool::new(options.ignore_sigterm),
            ignore_eof: AtomicBool::new(options.ignore_eof),
            options,
            api,
            journal,
            output: Output::default(),
            asks: Asks::default(),
            cancellations: Cancellations::default(),
            received: Received::default(),
            resources: Resources::default(),
            load: Load::default(),
            session: AtomicBool::new(false),
            level: AtomicUsize::new(FIRST_LEVEL),
        })
    }

    /// Logs a tool's failure as the Go program does and makes it an answer.
    pub(crate) fn tool_failure(&self, text: &str) -> Answer {
        self.journal.error("to/to.go:45", text, &[("forgejo-mcp/v2/pkg/to.ErrorResult", "to/to.go:45")]);
        Answer::internal(text)
    }

    /// Whether a message of this level goes out.
    pub(crate) fn logs(&self, level: &str) -> bool {
        methods::severity(level).is_some_and(|severity| severity >= self.level.load(Ordering::Relaxed))
    }

    /// Sets the level below which nothing is logged.
    pub(crate) fn set_level(&self, level: &str) {
        if let Some(severity) = methods::severity(level) {
            self.level.store(severity, Ordering::Relaxed);
        }
    }

    /// `initialize` was answered. A second one is accepted as well and resets the level.
    pub(crate) fn open_session(&self) {
        self.session.store(true, Ordering::Relaxed);
        self.level.store(FIRST_LEVEL, Ordering::Relaxed);
    }

    /// Whether there was an `initialize`.
    pub(crate) fn has_session(&self) -> bool {
        self.session.load(Ordering::Relaxed)
    }

    /// Stay alive on signals, and at the end of stdin if asked.
    pub(crate) fn stay(&self, at_eof_too: bool) {
        self.ignore_sigterm.store(true, Ordering::Relaxed);
        self.ignore_eof.fetch_or(at_eof_too, Ordering::Relaxed);
    }

    /// An id or token as it comes back: through float64 unless `--exact-ids`. None where Go's decoder fails.
    pub(crate) fn echoed(&self, raw: &RawValue) -> Option<String> {
        if self.options.exact_ids {
            return Some(raw.get().to_owned());
        }
        let value = serde_json::from_str::<Value>(raw.get());
        go::any(&value.or_else(|_| serde_json::from_str(&go::without_lone_surrogates(raw.get()))).ok()?)
    }

    /// Reads stdin to its end. A last line without newline is dropped.
    fn read(&self, handle: &Handle, queue: &SyncSender<Members>) {
        let mut stdin = io::stdin().lock();
        let mut line = Vec::new();
        loop {
            line.clear();
            match stdin.read_until(b'\n', &mut line) {
                Ok(_) if line.last() == Some(&b'\n') => {
                    self.take(handle, queue, &String::from_utf8_lossy(&line));
                }
                Ok(_) => return,
                Err(error) => {
                    Journal::raw(&format!("Error reading input: {error}\n"));
                    return;
                }
            }
        }
    }

    fn take(&self, handle: &Handle, queue: &SyncSender<Members>, line: &str) {
        self.received.note(line);
        if serde_json::from_str::<&RawValue>(line).is_err() {
            self.output.answer("null", &parse_error("Parse error"));
            return;
        }
        let read = serde_json::from_str(line);
        let message: Members = match read.or_else(|_| serde_json::from_str(&go::without_lone_surrogates(line))) {
            Ok(message) => message,
            Err(_) if line.trim() == "null" => Members::default(),
            Err(_) => {
                self.output.answer("null", &parse_error("Failed to parse message"));
                return;
            }
        };
        if self.settles(&message, line) {
            return;
        }
        if message.string_field("method").ok().flatten().as_deref() != Some("tools/call") {
            self.handle(handle, &message);
            return;
        }
        self.load.queued();
        match queue.try_send(message) {
            Ok(()) => {}
            Err(TrySendError::Full(message)) => {
                Journal::raw("Tool call queue full, processing synchronously\n");
                self.run_queued(handle, &message);
            }
            Err(TrySendError::Disconnected(_)) => {
                self.load.begin();
                self.load.end();
            }
        }
    }

    fn run_queued(&self, handle: &Handle, message: &Members) {
        if self.load.begin() {
            self.handle(handle, message);
            self.load.end();
        }
    }

    /// Whether the message answers a request of ours.
    fn settles(&self, message: &Members, line: &str) -> bool {
        let has = |name: &str| message.field(name).is_some_and(|raw| raw.get() != "null");
        let id = message.field("id").and_then(|raw| raw.get().trim_matches('"').parse().ok());
        id.is_some_and(|id| (has("result") || has("error")) && self.asks.settle(id, line))
    }

    /// mcp-go's `HandleMessage`, to the answer on stdout.
    fn handle(&self, handle: &Handle, message: &Members) {
        let (version, method) = match (message.string_field("jsonrpc"), message.string_field("method")) {
            (Ok(version), Ok(method)) => (version, method.unwrap_or_default()),
            _ => {
                return self.output.answer("null", &parse_error("Failed to parse message"));
            }
        };
        let given = message.field("id").filter(|raw| raw.get() != "null");
        let id = match given.map(|raw| self.echoed(raw)) {
            None => None,
            Some(Some(id)) => Some(id),
            Some(None) => {
                return self.output.answer("null", &parse_error("Failed to parse message"));
            }
        };
        if version.as_deref() != Some("2.0") {
            let answer = Answer::invalid_request("Invalid JSON-RPC version");
            return self.output.answer(id.as_deref().unwrap_or("null"), &answer);
        }
        let Some(id) = id else {
            return self.notified(&method, message);
        };
        if message.field("result").is_some_and(|raw| raw.get() != "null") {
            return;
        }
        let answer = if method == "tools/call" {
            handle.block_on(self.call(&id, message))
        } else {
            handle.block_on(methods::answer(self, &method, message))
        };
        self.output.answer(&id, &answer);
    }

    fn notified(&self, method: &str, message: &Members) {
        if method != "notifications/cancelled" {
            return;
        }
        let params = message.object_field("params").unwrap_or_default();
        if let Some(id) = params.entry("requestId").and_then(|raw| self.echoed(raw)) {
            self.cancellations.cancel(&id);
        }
    }

    async fn call(&self, id: &str, message: &Members) -> Answer {
        let habits = self.options.habits;
        let read = if habits.merges_call_params() {
            message.object_field("params")
        } else {
            message.last_object_field("params")
        };
        let params = match read {
            Ok(params) => params,
            Err(WrongKind(kind)) => {
                return methods::unparsable("tools/call", kind, habits.call_params_field());
            }
        };
        let name = match params.string_field("name") {
            Ok(name) => name.unwrap_or_default(),
            Err(WrongKind(kind)) => {
                return methods::unparsable("tools/call", kind, habits.call_name_field());
            }
        };
        let arguments = params.field("arguments").filter(|raw| raw.get().starts_with('{'));
        let call = Call {
            arguments: arguments.map(crate::members::members_of).unwrap_or_default(),
            raw_arguments: arguments.map_or_else(|| "{}".to_owned(), |raw| raw.get().to_owned()),
            meta: params.object_field("_meta").unwrap_or_default(),
            id: id.to_owned(),
            name,
        };
        match self.catalogue.find(&call.name) {
            Found::Working(tool) => (tool.run)(self, &call).await,
            Found::Listed => self.tool_failure(&format!("{} err: the fixture only lists this tool", call.name)),
            Found::Unknown => Answer::invalid_params(format!("tool '{}' not found: tool not found", call.name)),
        }
    }
}

fn parse_error(message: &str) -> Answer {
    Answer::Error { code: -32700, message: message.into() }
}

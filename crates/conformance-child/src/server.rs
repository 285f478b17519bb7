//! The process: lines in, one task per request, the end.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::{AbortHandle, JoinSet};

use crate::fault::Fault;
use crate::house::House;
use crate::message::{self, Id, Incoming, Members, Request, Unreadable};
use crate::options::{Era, Options};
use crate::outbox::Outbox;
use crate::seal::Seal;
use crate::{legacy, modern};

/// How long answers under way may take once nothing more comes in.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

type Open = Arc<Mutex<HashMap<Id, AbortHandle>>>;

struct Server {
    era: Era,
    house: Arc<House>,
    open: Open,
    tasks: JoinSet<()>,
}

/// Serves until stdin ends or SIGTERM comes.
pub(crate) async fn run(options: Options) -> io::Result<()> {
    let seal = Seal::new(options.state_key.as_deref()).map_err(|_| io::Error::other("no random bytes"))?;
    let (outbox, writer) = Outbox::open();
    let mut server = Server {
        era: options.era,
        house: Arc::new(House::new(outbox, seal)),
        open: Open::default(),
        tasks: JoinSet::new(),
    };
    server.serve().await?;
    server.end().await;
    drop(server);
    writer.await.map_err(io::Error::other)?
}

// === impl Server ===

impl Server {
    async fn serve(&mut self) -> io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut stdin = BufReader::new(tokio::io::stdin());
        let mut line = Vec::new();
        loop {
            tokio::select! {
                read = stdin.read_until(b'\n', &mut line) => {
                    if read? == 0 {
                        return Ok(());
                    }
                    if !line.trim_ascii().is_empty() {
                        self.take(&line).await;
                    }
                    line.clear();
                }
                _ = terminate.recv() => return Ok(()),
            }
            while self.tasks.try_join_next().is_some() {}
        }
    }

    /// Listens end with their response (L05), questions are given up, answers under way get a little time.
    async fn end(&mut self) {
        self.house.asks.close();
        for id in self.house.listens.drain() {
            self.house.outbox.send(modern::end_of_listen(&id)).await;
        }
        let last = async { while self.tasks.join_next().await.is_some() {} };
        // What is not done by then is lost; its client has gone anyway.
        let _ = tokio::time::timeout(LAST_ANSWERS, last).await;
        self.tasks.shutdown().await;
    }

    async fn take(&mut self, line: &[u8]) {
        match Incoming::read(line) {
            Err(Unreadable { id, fault }) => self.house.outbox.send(message::error(id.as_ref(), fault)).await,
            Ok(Incoming::Request(request)) => self.take_request(request).await,
            Ok(Incoming::Notification { method, params }) => self.take_notification(&method, &params),
            Ok(Incoming::Response { .. }) if self.era == Era::Modern => {
                crate::eprintln("a client of this revision must not write responses");
            }
            Ok(Incoming::Response { id, outcome }) => self.house.asks.answered(&id, outcome),
        }
    }

    fn take_notification(&self, method: &str, params: &Members) {
        match method {
            "notifications/cancelled" => {
                let Some(id) = params.get("requestId").and_then(Id::read) else { return };
                if let Some(task) = self.open.lock().remove(&id) {
                    task.abort();
                }
                self.house.listens.close(&id);
            }
            "notifications/initialized" if self.era != Era::Modern => self.house.session.initialized(),
            _ => {}
        }
    }

    async fn take_request(&mut self, request: Request) {
        if self.open.lock().contains_key(&request.id) || self.house.listens.has(&request.id) {
            let fault = Fault::invalid_request("a request with this id is open");
            self.house.outbox.send(message::error(Some(&request.id), fault)).await;
            return;
        }
        let is_modern = match self.era {
            Era::Legacy => false,
            Era::Modern => true,
            Era::Both => modern::claims(&request.params),
        };
        let (house, id, open) = (Arc::clone(&self.house), request.id.clone(), Arc::clone(&self.open));
        // The handshake is over before the next line is read; everything else may take as long as it takes.
        if !is_modern && request.method == "initialize" {
            let answer = legacy::initialize(&house, &request.params);
            house.outbox.send(response(&id, answer)).await;
            return;
        }
        // Held until the task is entered, so that it cannot be done before.
        let mut entered = self.open.lock();
        let key = id.clone();
        let task = self.tasks.spawn(async move {
            let answer = if is_modern {
                modern::answer(&house, &request).await
            } else {
                Some(legacy::answer(&house, &request).await)
            };
            open.lock().remove(&id);
            if let Some(answer) = answer {
                house.outbox.send(response(&id, answer)).await;
            }
        });
        entered.insert(key, task);
    }
}

fn response(id: &Id, answer: Result<serde_json::Value, Fault>) -> serde_json::Value {
    match answer {
        Ok(result) => message::result(id, &result),
        Err(fault) => message::error(Some(id), fault),
    }
}

//! The one thread that starts processes.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// Never dropped, so the thread's receiver never ends and neither does the thread.
static THREAD: OnceLock<Result<Sender<Job>, io::ErrorKind>> = OnceLock::new();

/// Starts the thread if it is not there yet.
pub(super) fn probe() -> io::Result<()> {
    sender().map(|_| ())
}

/// Runs `job` on the thread. `None` if it panicked or there is no thread. A job that nobody waits for any more is run all the
/// same, and its result dropped.
pub(super) async fn run<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (answer, answered) = oneshot::channel();
    let job: Job = Box::new(move || {
        // A receiver that is gone drops the result with its guards; that is all there is to do.
        let _ = answer.send(job());
    });
    sender().ok()?.send(job).ok()?;
    answered.await.ok()
}

fn sender() -> io::Result<&'static Sender<Job>> {
    THREAD.get_or_init(|| start().map_err(|error| error.kind())).as_ref().map_err(|kind| io::Error::from(*kind))
}

fn start() -> io::Result<Sender<Job>> {
    let (sender, jobs) = channel::<Job>();
    thread::Builder::new().name("worker-spawner".into()).spawn(move || {
        for job in jobs {
            // The end of this thread would end every worker, so a job's panic must not be its end.
            if catch_unwind(AssertUnwindSafe(job)).is_err() {
                tracing::error!("starting a worker panicked; that worker was not started");
            }
        }
    })?;
    Ok(sender)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_job_runs_on_the_same_thread_and_a_panic_does_not_end_it() {
        let first = run(|| thread::current().id()).await;
        let panicked = run(|| -> u8 { panic!("on purpose") }).await;
        let second = run(|| thread::current().id()).await;
        assert!(first.is_some());
        assert_eq!(first, second);
        assert_eq!(panicked, None);
        assert_ne!(first, Some(thread::current().id()));
    }
}

//! Long lists, large results, and a question to the client in the middle of a call.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use e2e::broker::Settings;
use serde_json::{Value, json};

use super::Size;
use crate::http::Answer;
use crate::load::{self, Work, histogram};
use crate::result::Figure;
use crate::subject::{broker, door};
use crate::target::Target;

/// `tools/list`, of which at least so many bytes are expected.
struct Lists(usize);

/// A result of so many bytes.
struct Fills(usize);

const MEBIBYTE: usize = 1 << 20;

pub(super) async fn measure(size: Size) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (key, bytes) in [("list_34", 34_000), ("list_90", 90_000)] {
        let stack = broker(Settings::default().with("WORKER_ENV", format!("BENCH_LIST_BYTES={bytes}"))).await?;
        let (_, tokens) = stack.log_in("alice").await?;
        let target = door(&stack, &tokens)?.session().await?;
        load::closed(std::slice::from_ref(&target), 32, size.calls / 10, Lists(bytes)).await?;
        let taken = load::closed(&[target], 32, size.calls, Lists(bytes)).await?;
        let what = format!("tools/list of {} kB", bytes / 1000);
        figures.push(Figure::new(
            key,
            &what,
            taken.rate(),
            "/s",
            "32 callers, one legacy session; every list checked whole",
        ));
    }
    let stack = broker(Settings::default()).await?;
    let (_, tokens) = stack.log_in("alice").await?;
    let door = door(&stack, &tokens)?;
    let target = door.session().await?;
    let taken = load::closed(&[target], 4, size.calls / 50, Fills(MEBIBYTE)).await?;
    figures.push(Figure::new("result_1m", "tools/call with a result of 1 MiB", taken.rate(), "/s", "4 callers"));
    figures.push(Figure::new("result_1m_p50", "the same, median time", taken.micros(0.5) / 1000.0, "ms", "4 callers"));
    let asked = questions(&door.modern(), size.calls / 10).await?;
    let note = "two requests: the call answered with input_required, and its retry with the answer; the worker is of the legacy era; the broker waits 20 ms for more questions";
    figures.push(Figure::new("question", "modern call with a question in it, median", asked, "µs", note));
    Ok(figures)
}

async fn questions(target: &Target, times: u64) -> Result<f64> {
    let mut connection = target.connect().await?;
    let mut took = histogram()?;
    for _ in 0..times {
        let began = Instant::now();
        let first = connection.exchange(&target.tool_call(target.id(), "ask", "{}")).await?;
        let first = result(&first)?;
        ensure!(first["resultType"] == "input_required", "no question: {first}");
        let key = first["inputRequests"].as_object().and_then(|asked| asked.keys().next()).context("no question")?;
        let answers = json!({key.as_str(): {"action": "accept", "content": {"name": "Ada"}}});
        let state = &first["requestState"];
        let members = format!(r#""name":"ask","arguments":{{}},"inputResponses":{answers},"requestState":{state}"#);
        let second =
            connection.exchange(&target.request(target.id(), "tools/call", &members, "Mcp-Name: ask\r\n")).await?;
        let second = result(&second)?;
        ensure!(second["content"][0]["text"] == "thanks", "no answer: {second}");
        took.saturating_record(u64::try_from(began.elapsed().as_nanos())?);
    }
    #[expect(clippy::cast_precision_loss, reason = "a time of 2^52 nanoseconds is 52 days")]
    Ok(took.value_at_quantile(0.5) as f64 / 1000.0)
}

fn result(answer: &Answer) -> Result<Value> {
    let told = || String::from_utf8_lossy(&answer.body).into_owned();
    let mut message: Value = serde_json::from_slice(answer.message()?).with_context(told)?;
    ensure!(message["result"].is_object(), "{} {}", answer.status, told());
    Ok(message["result"].take())
}

fn is_answer_to(id: u64, answer: &Answer) -> bool {
    let wanted = format!("\"id\":{id},");
    answer.status == 200 && memchr::memmem::find(&answer.body[..answer.body.len().min(64)], wanted.as_bytes()).is_some()
}

// === impl Lists ===

impl Work for Lists {
    fn request(&self, target: &Target, id: u64) -> Vec<u8> {
        target.request(id, "tools/list", "", "")
    }

    fn check(&self, _: &Target, id: u64, answer: &Answer) -> Result<()> {
        let whole = answer.body.len() >= self.0 && answer.body.ends_with(b"}}");
        ensure!(
            whole && is_answer_to(id, answer),
            "a wrong list to {id}: {} bytes, status {}",
            answer.body.len(),
            answer.status
        );
        Ok(())
    }
}

// === impl Fills ===

impl Work for Fills {
    fn request(&self, target: &Target, id: u64) -> Vec<u8> {
        target.tool_call(id, "fill", &format!(r#"{{"bytes":{}}}"#, self.0))
    }

    fn check(&self, _: &Target, id: u64, answer: &Answer) -> Result<()> {
        let filled = memchr::memchr_iter(b'x', &answer.body).count();
        ensure!(
            filled >= self.0 && is_answer_to(id, answer),
            "a wrong result to {id}: {filled} bytes, status {}",
            answer.status
        );
        Ok(())
    }
}

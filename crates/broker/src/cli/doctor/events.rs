//! Whether events get through the proxy one by one.
//!
//! The broker sends one event and then nothing for longer than we wait: if it is here before the stream ends, nothing holds it back.

use std::time::Duration;

use http::header;
use tokio::time::timeout;

use super::finding::Finding;
use super::patient::Patient;
use super::web::trouble;
use crate::examination;

const CHECK: &str = "event-streams";
/// Shorter than the broker's silence, long enough for a slow line.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn examine(patient: &Patient) -> Finding {
    let Ok(proof) = patient.proof() else { return Finding::skip(CHECK, "no proof could be made") };
    let request = patient
        .web
        .get(patient.config.http.public_url.join(examination::PATH))
        .header(header::AUTHORIZATION, proof)
        .header(header::ACCEPT, "text/event-stream")
        // As clients do: a proxy that compresses is one that may wait.
        .header(header::ACCEPT_ENCODING, "gzip, br");
    let first = async {
        let mut response = request.send().await.map_err(|error| trouble(&error).reason)?;
        let encoded = response.headers().contains_key(header::CONTENT_ENCODING);
        let mut received = 0;
        // Ten bytes are a gzip header, which tells nothing.
        while received <= 10 {
            match response.chunk().await.map_err(|error| trouble(&error).reason)? {
                Some(chunk) => received += chunk.len(),
                None => return Err("the stream ended before its first event".to_owned()),
            }
        }
        Ok(encoded)
    };
    let remedy = "switch buffering and compression of text/event-stream off in the proxy: nginx `proxy_buffering off; gzip off;`, Caddy `flush_interval \
                  -1` and no `encode`; look at what else is between it and the internet";
    match timeout(PATIENCE, first).await {
        Ok(Ok(false)) => Finding::ok(CHECK, "an event arrives while its stream is still open"),
        Ok(Ok(true)) => Finding::warn(CHECK, "events arrive one by one, but compressed", remedy),
        Ok(Err(reason)) => Finding::fail(CHECK, format!("an event stream broke off: {reason}"), remedy),
        Err(_) => Finding::fail(
            CHECK,
            format!(
                "an event that was sent at once was not here after {} s: something holds streams back",
                PATIENCE.as_secs()
            ),
            remedy,
        ),
    }
}

//! Whether two clients are two addresses behind the proxy, and none can choose his own.
//!
//! From one machine this shows in one request with a forged `X-Forwarded-For`: either the proxy replaced or extended it and the broker
//! believed the proxy, or somebody is taken for somebody else.

use std::net::IpAddr;

use http::header;

use super::finding::Finding;
use super::patient::Patient;
use super::web::ask;
use crate::examination::{self, Seen};

const CHECK: &str = "client-addresses";
/// Nobody's address (RFC 5737).
const FORGED: &str = "198.51.100.7";

pub(super) async fn examine(patient: &Patient) -> Finding {
    let public = &patient.config.http.public_url;
    let Ok(proof) = patient.proof() else { return Finding::skip(CHECK, "no proof could be made") };
    let request = patient.web.get(public.join(examination::PATH));
    let request = request.header(header::AUTHORIZATION, proof).header("x-forwarded-for", FORGED);
    match ask(request).await {
        Ok(answer) => match answer.seen() {
            Some(seen) => {
                judge(&seen, !public.is_https() && public.url().port() == Some(patient.config.http.listen.port()))
            }
            None => Finding::skip(CHECK, format!("the broker did not answer: {}", answer.in_words())),
        },
        Err(trouble) => Finding::skip(CHECK, format!("no answer: {}", trouble.reason)),
    }
}

fn judge(seen: &Seen, is_direct: bool) -> Finding {
    let Seen { peer, client, trusted, forwarded_for, .. } = seen;
    let forged = FORGED.parse::<IpAddr>().ok();
    let untouched = forwarded_for.as_deref() == Some(FORGED);
    let one_for_all = format!(
        "all clients look like one address, {client}: they share its rate limits, and the audit log cannot tell them apart"
    );
    if Some(*client) == forged {
        let remedy = "let the proxy replace X-Forwarded-For instead of passing on what a client sent, and name in trusted-proxies nothing but the proxy";
        return Finding::fail(
            CHECK,
            format!(
                "a client can choose its address: it wrote {FORGED} and the broker believed it (connection from {peer})"
            ),
            remedy,
        );
    }
    if is_direct && untouched && !trusted {
        return Finding::ok(CHECK, format!("no proxy in between; this machine is seen as {client}"));
    }
    match (forwarded_for.is_some() && !untouched, trusted) {
        (true, true) => Finding::ok(CHECK, format!("this machine is seen as {client}, behind the proxy {peer}")),
        (true, false) => Finding::fail(
            CHECK,
            format!("the proxy names its clients, but its address {peer} is not among trusted-proxies; {one_for_all}"),
            format!("add {peer}, or the network that the proxy's connections come from, to trusted-proxies"),
        ),
        (false, _) => Finding::fail(
            CHECK,
            format!("the proxy {peer} does not name its clients; {one_for_all}"),
            "let the proxy set X-Forwarded-For to the address of its client",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(peer: &str, client: &str, trusted: bool, forwarded_for: Option<&str>, is_direct: bool) -> String {
        let seen = Seen {
            instance: String::new(),
            version: String::new(),
            revision: String::new(),
            peer: peer.parse().unwrap(),
            trusted,
            client: client.parse().unwrap(),
            forwarded_for: forwarded_for.map(str::to_owned),
            host: None,
        };
        judge(&seen, is_direct).to_text(false)
    }

    #[test]
    fn each_way_in_which_addresses_get_lost_is_told_apart() {
        let good = told("10.0.0.1", "203.0.113.9", true, Some("203.0.113.9"), false);
        assert!(good.starts_with("ok") && good.contains("203.0.113.9, behind the proxy 10.0.0.1"), "{good}");
        let appended = told("10.0.0.1", "203.0.113.9", true, Some("198.51.100.7, 203.0.113.9"), false);
        assert!(appended.starts_with("ok"), "{appended}");
        let direct = told("127.0.0.1", "127.0.0.1", false, Some("198.51.100.7"), true);
        assert!(direct.starts_with("ok") && direct.contains("no proxy"), "{direct}");

        let believed = told("10.0.0.1", "198.51.100.7", true, Some("198.51.100.7"), false);
        assert!(believed.starts_with("FAIL") && believed.contains("can choose its address"), "{believed}");
        let distrusted = told("10.0.0.1", "10.0.0.1", false, Some("203.0.113.9"), false);
        assert!(distrusted.starts_with("FAIL") && distrusted.contains("add 10.0.0.1"), "{distrusted}");
        let silent = told("10.0.0.1", "10.0.0.1", true, None, false);
        assert!(silent.starts_with("FAIL") && silent.contains("let the proxy set X-Forwarded-For"), "{silent}");
        let untouched = told("10.0.0.1", "10.0.0.1", false, Some("198.51.100.7"), false);
        assert!(untouched.starts_with("FAIL"), "{untouched}");
    }
}

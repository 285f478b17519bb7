//! A modern client's request as a worker with a handshake is to see it.

use std::ops::Range;

use crate::envelope::{Message, Object};

/// A strict worker may choke on these `_meta` keys, and one of both eras would take the request for a modern one.
const RESERVED: &str = "io.modelcontextprotocol/";

/// Without what only 2026-07-28 knows; all else byte for byte. `None` only if the message is none.
pub(super) fn for_worker(message: &Message) -> Option<Message> {
    let text = std::str::from_utf8(message.bytes()).ok()?;
    let (params, meta) = message.params_and_meta();
    let mut cuts: Vec<Range<usize>> = Vec::new();
    let mut meta_is_ours = false;
    if let Some(meta) = meta {
        let object = Object::read(&text[meta.clone()])?;
        meta_is_ours = object.iter().all(|(name, _)| name.starts_with(RESERVED));
        if !meta_is_ours {
            cuts.extend(shifted(object.without(|name| name.starts_with(RESERVED)), meta.start));
        }
    }
    if let Some(params) = params {
        let object = Object::read(&text[params.clone()])?;
        let ours = |name: &str| matches!(name, "inputResponses" | "requestState") || (name == "_meta" && meta_is_ours);
        cuts.extend(shifted(object.without(ours), params.start));
    }
    message.spliced(cuts.into_iter().map(|cut| (cut, &b""[..])).collect())
}

fn shifted(cuts: Vec<Range<usize>>, by: usize) -> impl Iterator<Item = Range<usize>> {
    cuts.into_iter().map(move |cut| cut.start + by..cut.end + by)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::envelope::{Bounds, Incoming, read_post};

    fn outbound(params: &str) -> String {
        let text = format!(r#"{{"jsonrpc":"2.0", "id":1,"method":"tools/call","params":{params}}}"#);
        let Ok(Incoming::One(message)) = read_post(&Bytes::from(text), Bounds { depth: 9, batch: 1 }) else {
            panic!("not a message: {params}");
        };
        let sent = for_worker(&message).expect("a message");
        let text = std::str::from_utf8(sent.bytes()).expect("text");
        text.split_once(r#""params":"#).and_then(|(_, rest)| rest.strip_suffix('}')).expect("params").to_owned()
    }

    #[test]
    fn what_only_the_modern_era_knows_is_gone_and_the_rest_is_as_it_was() {
        let claim =
            r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}"#;
        for (before, after) in [
            (format!(r#"{{"name":"x","_meta":{{{claim}}}}}"#), r#"{"name":"x"}"#),
            (format!(r#"{{"_meta":{{{claim}}}, "name":"x"}}"#), r#"{ "name":"x"}"#),
            (format!(r#"{{"_meta":{{{claim}}}}}"#), "{}"),
            (format!(r#"{{"_meta":{{"progressToken": 1e2,{claim}}}}}"#), r#"{"_meta":{"progressToken": 1e2}}"#),
            (format!(r#"{{"_meta":{{{claim},"traceparent":"00"}}}}"#), r#"{"_meta":{"traceparent":"00"}}"#),
            (
                format!(
                    r#"{{"inputResponses":{{"a":1}},"arguments":{{"n":1.0E+2}},"_meta":{{{claim}}},"requestState":"s"}}"#
                ),
                r#"{"arguments":{"n":1.0E+2}}"#,
            ),
        ] {
            assert_eq!(outbound(&before), after, "{before}");
        }
    }
}

//! W3C trace context in `_meta` (mcp.md M11): put there by the endpoint, before a message goes its way.

use bytes::Bytes;

use crate::envelope::{Bounds, Incoming, Kind, read_post};

/// As far as the bridge itself reads.
const BOUNDS: Bounds = Bounds { depth: 128, batch: 1 };

/// The same request with these members of `params._meta`, in place of those of the same names; everything else byte for byte as it was.
/// `None` for what is not one request.
#[must_use]
pub fn carry(body: &Bytes, members: &[(&'static str, String)]) -> Option<Bytes> {
    let Ok(Incoming::One(message)) = read_post(body, BOUNDS) else {
        return None;
    };
    if message.kind() != Kind::Request || members.is_empty() {
        return None;
    }
    let members: Vec<(&'static str, Vec<u8>)> =
        members.iter().filter_map(|(name, text)| Some((*name, serde_json::to_vec(text).ok()?))).collect();
    let members: Vec<(&'static str, &[u8])> = members.iter().map(|(name, raw)| (*name, raw.as_slice())).collect();
    Some(message.edit().meta(&members).made())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carried(body: &str) -> Option<String> {
        let members = [("traceparent", "00-a".to_owned())];
        carry(&Bytes::copy_from_slice(body.as_bytes()), &members).map(|body| String::from_utf8(body.to_vec()).unwrap())
    }

    #[test]
    fn a_request_gets_the_context_and_keeps_every_other_byte() {
        let cases = [
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"x":1e2,"_meta":{"traceparent":"old","k":1}}}"#,
                r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"x":1e2,"_meta":{"traceparent":"00-a","k":1}}}"#,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"x":1e2}}"#,
                r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"x":1e2,"_meta":{"traceparent":"00-a"}}}"#,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"a"}"#,
                r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"_meta":{"traceparent":"00-a"}}}"#,
            ),
        ];
        for (body, expected) in cases {
            let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
            let made = carried(body).unwrap();
            assert_eq!(value(&made), value(expected));
            assert!(!body.contains("1e2") || made.contains("1e2"));
        }
    }

    #[test]
    fn what_is_no_single_request_is_left_alone() {
        for body in [
            r#"{"jsonrpc":"2.0","method":"notifications/cancelled"}"#,
            r#"[{"jsonrpc":"2.0","id":1,"method":"a"}]"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
            "not JSON",
        ] {
            assert_eq!(carried(body), None, "{body}");
        }
    }
}

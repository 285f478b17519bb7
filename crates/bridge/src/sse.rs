//! Server-sent events (WHATWG HTML, §9.2): one JSON document per event, which is one `data` line.

use bytes::{BufMut, Bytes, BytesMut};

/// Goes out as the first bytes of every stream, so that proxies pass the headers on, and as keep-alive (T27).
pub(crate) const COMMENT: Bytes = Bytes::from_static(b":\n\n");

/// One event. `data` holds no line break.
pub(crate) fn event(id: Option<&str>, data: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(id.map_or(0, str::len) + data.len() + 32);
    out.put_slice(b"event: message\n");
    if let Some(id) = id {
        out.put_slice(b"id: ");
        out.put_slice(id.as_bytes());
        out.put_slice(b"\n");
    }
    out.put_slice(b"data: ");
    out.put_slice(data);
    out.put_slice(b"\n\n");
    out.freeze()
}

/// An event without content that only gives the client an id to resume from (T44).
pub(crate) fn priming(id: &str) -> Bytes {
    Bytes::from(format!("id: {id}\ndata: \n\n"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_event_has_its_name_its_id_and_one_data_line() {
        assert_eq!(event(Some("a-1"), b"{}"), "event: message\nid: a-1\ndata: {}\n\n");
    }

    proptest! {
        #[test]
        fn a_reader_of_event_streams_gets_back_what_went_in(data in "[^\r\n]{1,200}", id in "[!-~]{1,20}") {
            let framed = event(Some(&id), data.as_bytes());
            let text = std::str::from_utf8(&framed).expect("text");
            let mut fields = text.lines().filter_map(|line| line.split_once(": "));
            prop_assert_eq!(fields.next(), Some(("event", "message")));
            prop_assert_eq!(fields.next(), Some(("id", id.as_str())));
            prop_assert_eq!(fields.next(), Some(("data", data.as_str())));
            prop_assert!(text.ends_with("\n\n") && text.matches("\n\n").count() == 1);
        }
    }
}

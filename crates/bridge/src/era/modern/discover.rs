//! `server/discover`, from what was recorded of the program (D01).

use super::SERVER_INFO;
use super::offer::Offer;
use super::request::Request;
use crate::era::MODERN_VERSION;

/// Milliseconds for which a client may keep the answer.
const TTL_MS: u32 = 60_000;

/// The response.
pub(super) fn answer(request: &Request, offer: &Offer) -> bytes::Bytes {
    let mut body = br#"{"jsonrpc":"2.0","id":"#.to_vec();
    body.extend_from_slice(request.id.as_bytes());
    body.extend_from_slice(
        format!(r#","result":{{"resultType":"complete","supportedVersions":["{MODERN_VERSION}"],"capabilities":"#)
            .as_bytes(),
    );
    body.extend_from_slice(&offer.capabilities);
    if let Some(instructions) = &offer.instructions {
        body.extend_from_slice(br#","instructions":"#);
        body.extend_from_slice(instructions);
    }
    body.extend_from_slice(format!(r#","ttlMs":{TTL_MS},"cacheScope":"private""#).as_bytes());
    if let Some(info) = &offer.server_info {
        body.extend_from_slice(format!(r#","_meta":{{"{SERVER_INFO}":"#).as_bytes());
        body.extend_from_slice(info);
        body.push(b'}');
    }
    body.extend_from_slice(b"}}");
    body.into()
}

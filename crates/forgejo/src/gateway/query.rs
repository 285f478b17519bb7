//! The query of a worker's request, and urlencoded bodies: without the parameters by which Forgejo takes another identity.
//!
//! Measured on Forgejo 11.0.15: `?token=` wins over the Authorization header, a form field `access_token` too, and a site
//! administrator's token obeys `?sudo=`.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, percent_encode};

const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The parameters that no worker may send, in any case.
pub(super) const IDENTITY_PARAMETERS: &[&str] = &["sudo", "token", "access_token"];

/// The query to forward: every pair decoded and written anew, `sudo`, `token` and `access_token` left out. `None` if nothing is left.
#[must_use]
pub fn rebuild(raw: Option<&str>) -> Option<String> {
    let mut rebuilt = String::new();
    for (key, value) in pairs(raw?.as_bytes()) {
        if is_identity_parameter(&key) {
            continue;
        }
        if !rebuilt.is_empty() {
            rebuilt.push('&');
        }
        rebuilt.extend(percent_encode(&key, UNRESERVED));
        rebuilt.push('=');
        rebuilt.extend(percent_encode(&value, UNRESERVED));
    }
    (!rebuilt.is_empty()).then_some(rebuilt)
}

/// What a query without an Authorization header beside it gives as its token, in the way that gitea-mcp (npm) has. `None` if it gives none, or
/// more than one. Nothing of it is forwarded.
pub(super) fn capability(raw: Option<&str>) -> Option<String> {
    let mut given =
        pairs(raw?.as_bytes()).filter(|(key, _)| matches!(identity_parameter(key), Some("token" | "access_token")));
    let (Some((_, token)), None) = (given.next(), given.next()) else { return None };
    String::from_utf8(token).ok()
}

/// The first of `sudo`, `token` and `access_token` that an `application/x-www-form-urlencoded` body names.
///
/// Old readers also separate pairs by `;`, so both readings are searched.
#[must_use]
pub fn identity_field(body: &[u8]) -> Option<&'static str> {
    body.split(|byte| matches!(byte, b'&' | b';')).find_map(|pair| {
        let key = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
        identity_parameter(&decode(key))
    })
}

/// Whether a decoded name is one of `sudo`, `token` and `access_token`.
#[must_use]
fn is_identity_parameter(name: &[u8]) -> bool {
    identity_parameter(name).is_some()
}

/// Which of `sudo`, `token` and `access_token` a decoded name is.
pub(super) fn identity_parameter(name: &[u8]) -> Option<&'static str> {
    let name = name.trim_ascii();
    IDENTITY_PARAMETERS.iter().copied().find(|forbidden| name.eq_ignore_ascii_case(forbidden.as_bytes()))
}

fn pairs(raw: &[u8]) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> + '_ {
    raw.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()).map(|pair| {
        let mut halves = pair.splitn(2, |byte| *byte == b'=');
        let key = halves.next().unwrap_or_default();
        let value = halves.next().unwrap_or_default();
        (decode(key), decode(value))
    })
}

fn decode(text: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    percent_decode(&spaced).collect()
}

#[cfg(test)]
mod tests;

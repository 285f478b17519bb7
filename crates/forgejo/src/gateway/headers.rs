//! Which headers go in and which come out.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::refusal::Refusal;

/// What a worker may say to Forgejo. Content-Type, Content-Length and Authorization are written by us.
const INWARD: &[HeaderName] = &[
    header::ACCEPT,
    header::RANGE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
    header::IF_RANGE,
    header::USER_AGENT,
];

/// The trace that a request belongs to (W3C Trace Context §3.2). Its companions, `tracestate` and `baggage`, carry free text.
pub(super) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// What Forgejo says to nobody but us, hop-by-hop headers (RFC 9110 §7.6.1) among it.
const NEVER_OUTWARD: &[&str] = &[
    "alt-svc",
    "authentication-info",
    "clear-site-data",
    "connection",
    "content-location",
    "keep-alive",
    "location",
    "nel",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-connection",
    "refresh",
    "report-to",
    "set-cookie",
    "set-cookie2",
    "strict-transport-security",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "www-authenticate",
];

/// The headers of the forwarded request, without those that describe its body and the one that authorises it.
///
/// `compressed`: whether the worker's Accept-Encoding goes along. It does not where answers are rewritten.
pub(super) fn inward(from: &HeaderMap, compressed: bool) -> Result<HeaderMap, Refusal> {
    let mut headers = HeaderMap::new();
    for name in INWARD {
        for value in from.get_all(name) {
            if *name != header::ACCEPT && headers.contains_key(name) {
                return Err(Refusal::Header("Range, If-… or User-Agent"));
            }
            headers.append(name, value.clone());
        }
    }
    if let Some(trace) = traceparent(from) {
        headers.insert(TRACEPARENT, trace);
    }
    if compressed {
        for value in from.get_all(header::ACCEPT_ENCODING) {
            headers.append(header::ACCEPT_ENCODING, value.clone());
        }
    }
    if !headers.contains_key(header::ACCEPT_ENCODING) {
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    }
    Ok(headers)
}

/// The trace that the worker names, as it stands: nothing but hexadecimal digits of fixed lengths gets through. Anything else is left
/// out and not refused, as the specification says, since a broken trace is no broken request.
pub(super) fn traceparent(from: &HeaderMap) -> Option<HeaderValue> {
    let mut values = from.get_all(TRACEPARENT).iter();
    let (value, None) = (values.next()?, values.next()) else {
        return None;
    };
    let mut fields = value.as_bytes().split(|byte| *byte == b'-');
    let mut hexadecimal = |digits: usize| {
        let field = fields.next()?;
        let plain = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
        (field.len() == digits && field.iter().all(plain)).then(|| field.iter().any(|byte| *byte != b'0'))
    };
    let version = hexadecimal(2)?;
    let (trace, parent) = (hexadecimal(32)?, hexadecimal(16)?);
    hexadecimal(2)?;
    // Version 00 only; of all zeros no trace and no parent can be.
    (!version && trace && parent && fields.next().is_none()).then(|| value.clone())
}

/// The headers of the answer: Forgejo's without [`NEVER_OUTWARD`] and what its Connection header names.
pub(super) fn outward(from: &HeaderMap) -> HeaderMap {
    let named: Vec<String> = from
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    let mut headers = HeaderMap::with_capacity(from.len());
    for (name, value) in from {
        let dropped = NEVER_OUTWARD.contains(&name.as_str()) || named.iter().any(|hop| hop == name.as_str());
        if !dropped {
            headers.append(name.clone(), value.clone());
        }
    }
    headers
}

/// The capability of an Authorization header: `token` or `bearer` in any case. `None` if there is none, several or another scheme.
pub(super) fn capability(from: &HeaderMap) -> Option<&str> {
    let mut values = from.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (values.next()?.to_str().ok()?, values.next()) else {
        return None;
    };
    let (scheme, token) = value.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("token") || scheme.eq_ignore_ascii_case("bearer")).then(|| token.trim())
}

/// The only value of a header; refuses a repeated or unreadable one.
pub(super) fn single<'h>(
    from: &'h HeaderMap,
    name: &HeaderName,
    called: &'static str,
) -> Result<Option<&'h str>, Refusal> {
    let mut values = from.get_all(name).iter();
    let Some(first) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Refusal::Header(called));
    }
    first.to_str().map(Some).map_err(|_| Refusal::Header(called))
}

#[cfg(test)]
mod tests;

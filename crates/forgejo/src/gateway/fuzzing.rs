//! What the fuzz targets reach of the gateway beyond its face.

use http::HeaderMap;

use super::headers;

/// Headers of a worker's request and of Forgejo's answer.
///
/// # Panics
/// When one gets through that must not.
pub fn headers(from: &HeaderMap) {
    let _ = headers::capability(from);
    let _ = headers::single(from, &http::header::CONTENT_TYPE, "Content-Type");
    for compressed in [false, true] {
        let Ok(inward) = headers::inward(from, compressed) else { continue };
        for (name, value) in &inward {
            let listed = [
                "accept",
                "accept-encoding",
                "range",
                "if-match",
                "if-none-match",
                "if-modified-since",
                "if-unmodified-since",
                "if-range",
                "user-agent",
                "traceparent",
            ];
            assert!(listed.contains(&name.as_str()), "{name}: {value:?}");
        }
        assert_eq!(inward.get_all("accept-encoding").iter().next().is_some(), true);
    }
    let outward = headers::outward(from);
    for name in ["set-cookie", "www-authenticate", "location", "connection", "transfer-encoding", "authentication-info"]
    {
        assert!(!outward.contains_key(name), "{name}");
    }
}

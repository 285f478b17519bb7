use super::*;

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap()))
        .collect()
}

#[test]
fn only_listed_headers_go_in() {
    let from = headers(&[
        ("accept", "application/json"),
        ("user-agent", "forgejo-mcp/2.34.1"),
        ("range", "bytes=0-9"),
        ("if-none-match", "\"x\""),
        ("authorization", "token capability"),
        ("cookie", "i_like_gitea=1"),
        ("sudo", "root"),
        ("x-forwarded-for", "1.2.3.4"),
        ("x-forwarded-host", "evil.example"),
        ("x-webauth-user", "root"),
        ("x-http-method-override", "DELETE"),
        ("x-http-method", "DELETE"),
        ("x-method-override", "DELETE"),
        ("baggage", "x=y"),
        ("tracestate", "vendor=x"),
        ("traceparent", "00-1-2-01"),
        ("x-gitea-otp", "123456"),
        ("x-forgejo-otp", "123456"),
        ("x-csrf-token", "x"),
        ("forwarded", "for=1.2.3.4"),
        ("host", "evil.example"),
        ("connection", "keep-alive, x-secret"),
        ("te", "trailers"),
        ("content-encoding", "gzip"),
    ]);
    let inward = inward(&from, false).unwrap();
    let mut names: Vec<&str> = inward.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["accept", "accept-encoding", "if-none-match", "range", "user-agent"]);
}

#[test]
fn a_trace_passes_if_it_is_one() {
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let passed = |pairs: &[(&str, &str)]| inward(&headers(pairs), false).unwrap().get("traceparent").cloned();
    assert_eq!(passed(&[("traceparent", trace)]).unwrap(), trace);
    assert_eq!(passed(&[("traceparent", trace), ("traceparent", trace)]), None);
    for broken in [
        "",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-sudo",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333g-01",
    ] {
        assert_eq!(passed(&[("traceparent", broken)]), None, "{broken}");
    }
}

#[test]
fn compression_is_asked_for_only_where_answers_are_left_alone() {
    let from = headers(&[("accept-encoding", "gzip")]);
    assert_eq!(inward(&from, true).unwrap().get("accept-encoding").unwrap(), "gzip");
    assert_eq!(inward(&from, false).unwrap().get("accept-encoding").unwrap(), "identity");
}

#[test]
fn a_repeated_single_header_is_refused() {
    let from = headers(&[("range", "bytes=0-1"), ("range", "bytes=2-3")]);
    assert!(matches!(inward(&from, true), Err(Refusal::Header(_))));
    let accepts = headers(&[("accept", "text/plain"), ("accept", "application/json")]);
    assert_eq!(inward(&accepts, true).unwrap().get_all("accept").iter().count(), 2);
}

#[test]
fn cookies_challenges_and_hop_by_hop_headers_do_not_come_out() {
    let from = headers(&[
        ("content-type", "application/json"),
        ("x-total-count", "3"),
        ("link", "<x>; rel=\"next\""),
        ("etag", "\"1\""),
        ("set-cookie", "i_like_gitea=1"),
        ("www-authenticate", "Bearer"),
        ("location", "https://elsewhere.example/"),
        ("connection", "close, X-Hop"),
        ("x-hop", "1"),
        ("keep-alive", "timeout=5"),
        ("transfer-encoding", "chunked"),
        ("strict-transport-security", "max-age=1"),
        ("refresh", "0;url=https://elsewhere.example/"),
    ]);
    let outward = outward(&from);
    let mut names: Vec<&str> = outward.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["content-type", "etag", "link", "x-total-count"]);
}

#[test]
fn the_capability_is_taken_from_token_and_bearer_in_any_case() {
    for scheme in ["token", "Token", "TOKEN", "bearer", "Bearer", "BEARER"] {
        let from = headers(&[("authorization", &format!("{scheme} abc"))]);
        assert_eq!(capability(&from), Some("abc"), "{scheme}");
    }
    for value in ["abc", "Basic YWJj", "Basic abc", "token", "Digest abc"] {
        assert_eq!(capability(&headers(&[("authorization", value)])), None, "{value}");
    }
    assert_eq!(capability(&headers(&[("authorization", "token abc"), ("authorization", "token abc")])), None);
    assert_eq!(capability(&HeaderMap::new()), None);
}

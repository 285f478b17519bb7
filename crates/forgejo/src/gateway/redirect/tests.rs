use super::*;

fn origins() -> Origins {
    let url = |text: &str| Url::parse(text).unwrap();
    Origins::new(
        &url("http://127.0.0.1:3000/git"),
        &url("https://code.example/git/"),
        &[url("https://s3.example:9000/bucket")],
    )
}

fn follow(location: &str) -> Destination {
    origins().follow(&Url::parse("http://127.0.0.1:3000/git/api/v1/repos/a/b/archive/x.zip").unwrap(), location)
}

fn inwards(path: &str, query: Option<&str>) -> Destination {
    Destination::Inwards { path: path.to_owned(), query: query.map(str::to_owned) }
}

#[test]
fn the_same_forgejo_leads_inwards_by_either_name() {
    assert_eq!(follow("https://code.example/git/attachments/u?x=1"), inwards("/attachments/u", Some("x=1")));
    assert_eq!(follow("https://CODE.example:443/git/a"), inwards("/a", None));
    assert_eq!(follow("http://127.0.0.1:3000/git/a"), inwards("/a", None));
    assert_eq!(follow("/git/a/b/archive/y.zip"), inwards("/a/b/archive/y.zip", None));
    assert_eq!(follow("y.zip"), inwards("/api/v1/repos/a/b/archive/y.zip", None));
}

#[test]
fn look_alikes_are_strangers() {
    for location in [
        "https://code.example.evil.example/git/a",
        "https://code.example@evil.example/git/a",
        "https://user:pass@code.example/git/a",
        "http://code.example/git/a",
        "https://code.example:8443/git/a",
        "https://code.example/other/a",
        "https://code.example/gitx/a",
        "//evil.example/git/a",
        "\\\\evil.example/git/a",
        "https://evil.example/?https://code.example/git/",
        "https://code.example/git/../admin",
        "https://code.example/git/%2e%2e/admin",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "https://s3.example/bucket/x",
        "http://s3.example:9000/bucket/x",
        "https://key:secret@s3.example:9000/bucket/x",
        "http://[",
    ] {
        assert!(matches!(follow(location), Destination::Foreign(_)), "{location}: {:?}", follow(location));
    }
}

#[test]
fn storage_on_the_list_is_known_by_its_origin() {
    let url = "https://s3.example:9000/other/x?X-Amz-Signature=1";
    assert_eq!(follow(url), Destination::Storage(Url::parse(url).unwrap()));
}

#[test]
fn a_stranger_is_named_by_host_and_port_only() {
    assert_eq!(follow("https://evil.example:444/p?secret=1"), Destination::Foreign("evil.example:444".to_owned()));
    assert_eq!(follow("https://bücher.example/p"), Destination::Foreign("xn--bcher-kva.example".to_owned()));
}

#[test]
fn a_client_keeps_or_changes_its_method_by_the_status() {
    let after = |status: u16, method: Method| method_after(StatusCode::from_u16(status).unwrap(), &method);
    assert_eq!(after(302, Method::POST), Method::GET);
    assert_eq!(after(303, Method::DELETE), Method::GET);
    assert_eq!(after(307, Method::POST), Method::POST);
    assert_eq!(after(308, Method::DELETE), Method::DELETE);
    assert_eq!(after(301, Method::PUT), Method::PUT);
    assert_eq!(after(303, Method::HEAD), Method::HEAD);
}

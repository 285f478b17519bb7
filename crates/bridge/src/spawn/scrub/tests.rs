use proptest::prelude::*;

use super::*;

const CAPABILITY: &str = "cap-0123456789abcdef";

fn scrub(line: &str) -> String {
    Scrubber::new(CAPABILITY.to_owned()).scrub(line.as_bytes())
}

#[test]
fn the_capability_is_hidden_wherever_it_stands() {
    assert_eq!(scrub(&format!("got 401 for {CAPABILITY}!")), "got 401 for [hidden]!");
    assert_eq!(scrub(&format!("x{CAPABILITY}{CAPABILITY}y")), "x[hidden][hidden]y");
}

#[test]
fn colours_cannot_split_a_secret() {
    let (head, tail) = CAPABILITY.split_at(7);
    assert_eq!(scrub(&format!("\u{1b}[31mERROR\u{1b}[0m {head}\u{1b}[1m{tail}")), "ERROR [hidden]");
    assert_eq!(scrub("\u{1b}]0;title\u{7}a\u{1b}]0;title\u{1b}\\b"), "ab");
}

#[test]
fn shapes_of_secrets_are_hidden() {
    for (line, shown) in [
        ("Authorization: token 89ab", "Authorization: [hidden]"),
        (r#"{"Authorization":"Basic dTpw","x":1}"#, r#"{"Authorization":"[hidden]","x":1}"#),
        ("map[Authorization:[token 89ab] Accept:[*/*]]", "map[Authorization:[[hidden]] Accept:[*/*]]"),
        ("sent Bearer abcdefgh12 to it", "sent Bearer [hidden] to it"),
        ("token 0123456789abcdef0123456789abcdef01234567", "token [hidden]"),
        ("access token does not exist [sha: 0123456789abcdef]", "access token does not exist [sha: [hidden]]"),
        ("got eyJhbGciOiJSUzI1NiJ9.eyJnbnQiOjF9.c2ln here", "got [hidden] here"),
        ("cut off: eyJhbGciOiJSUzI1NiJ9.eyJn", "cut off: [hidden]"),
        ("secret gto_0123456789abcdef.", "secret [hidden]"),
        ("GET /api?access_token=abcd1&x=1", "GET /api?access_token=[hidden]&x=1"),
        (r#"{"refresh_token": "abcd1"}"#, r#"{"refresh_token": "[hidden]"}"#),
        ("clientSecret=abcd", "clientSecret=[hidden]"),
        ("clone https://u:p@forge.example/a/b", "clone https://[hidden]@forge.example/a/b"),
        ("Cookie: i_like_gitea=1; x=2", "Cookie: [hidden]"),
    ] {
        assert_eq!(scrub(line), shown);
    }
}

#[test]
fn ordinary_messages_stay_as_they_are() {
    for line in [
        "token does not have at least one of required scope(s): [read:user]",
        "invalid token: unexpected end of input",
        "get commit 0123456789abcdef0123456789abcdef01234567",
        "mail to someone@forge.example, see https://forge.example/@someone",
        "basic auth is off",
        "\tindented größer 日本",
    ] {
        assert_eq!(scrub(line), line);
    }
}

proptest! {
    #[test]
    fn no_surroundings_let_the_capability_through(before in ".{0,40}", after in ".{0,40}") {
        let shown = scrub(&format!("{before}{CAPABILITY}{after}"));
        prop_assert!(!shown.contains(CAPABILITY));
    }

    #[test]
    fn any_bytes_become_text_without_control_characters(line in proptest::collection::vec(any::<u8>(), 0..200)) {
        let shown = Scrubber::new(CAPABILITY.to_owned()).scrub(&line);
        prop_assert!(shown.chars().all(|char| char == '\t' || !char.is_control()));
    }
}

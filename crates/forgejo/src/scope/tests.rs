use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Result<ForgejoScopes, ScopeError> {
    text.parse()
}

#[test]
fn the_default_is_what_the_constant_says() {
    assert_eq!(parse(DEFAULT_SCOPES).unwrap(), ForgejoScopes::default());
    assert_eq!(ForgejoScopes::default().to_string(), DEFAULT_SCOPES);
}

/// forgejo.md §1 fact 5: a typo would grant everything.
#[test]
fn an_unknown_scope_is_refused_by_name() {
    for typo in ["write:repo", "wirte:issue", "Read:user", "read:", ":user", "read:user,write:issue", "repo"] {
        let error = parse(&format!("read:user {typo}")).unwrap_err();
        assert_eq!(error, ScopeError::Unknown(typo.to_owned()));
        assert!(error.to_string().contains(typo));
    }
}

#[test]
fn all_sudo_and_admin_are_refused_with_their_reason() {
    assert_eq!(parse("all"), Err(ScopeError::All));
    assert_eq!(parse("read:user sudo"), Err(ScopeError::Sudo));
    assert_eq!(parse("read:user write:admin"), Err(ScopeError::Admin("write:admin".to_owned())));
    assert_eq!(ForgejoScopes::parse_allowing_admin("read:user all"), Err(ScopeError::All));
    assert_eq!(ForgejoScopes::parse_allowing_admin("read:admin").unwrap().to_string(), "read:admin");
}

#[test]
fn a_list_without_an_api_scope_is_refused() {
    for text in ["", "  ", "openid profile", "public-only"] {
        assert_eq!(parse(text), Err(ScopeError::NoApiScope), "{text:?}");
    }
}

#[test]
fn order_is_kept_and_repetition_dropped() {
    assert_eq!(
        parse(" write:user\tread:issue openid write:user ").unwrap().to_string(),
        "write:user read:issue openid"
    );
}

#[test]
fn write_covers_read_but_not_the_reverse() {
    let granted = GrantedScopes::parse("openid write:repository read:issue");
    assert!(granted.covers(&parse("read:repository read:issue").unwrap()));
    assert!(granted.covers(&parse("write:repository profile").unwrap()));
    assert_eq!(granted.missing(&parse("write:issue read:user read:repository").unwrap()), ["write:issue", "read:user"]);
}

#[test]
fn a_grant_without_api_scopes_is_everything_as_forgejo_reads_it() {
    for text in ["", "openid email", "all", "reed:user", "read:user all"] {
        let granted = GrantedScopes::parse(text);
        assert!(granted.is_everything(), "{text:?}");
        assert!(granted.covers(&ForgejoScopes::default()), "{text:?}");
    }
    assert!(!GrantedScopes::parse("read:user reed:issue").is_everything());
}

#[test]
fn a_public_only_grant_does_not_cover_a_request_without_it() {
    let granted = GrantedScopes::parse("write:repository public-only");
    assert!(!granted.covers(&parse("write:repository").unwrap()));
    assert!(granted.covers(&parse("write:repository public-only").unwrap()));
}

fn api_scope() -> impl Strategy<Value = String> {
    (any::<bool>(), 0..Category::ALL.len())
        .prop_map(|(write, at)| format!("{}:{}", if write { "write" } else { "read" }, Category::ALL[at].name()))
}

proptest! {
    #[test]
    fn what_is_accepted_prints_as_words_that_were_given(text in "[a-z:, ]{0,40}|(read|write):[a-z]{4,12}( [a-z:-]{0,12}){0,3}") {
        if let Ok(scopes) = parse(&text) {
            let given: Vec<&str> = text.split_whitespace().collect();
            let printed = scopes.to_string();
            for word in printed.split(' ') {
                prop_assert!(given.contains(&word));
                prop_assert!(Scope::known(word).is_some());
            }
            for word in given {
                prop_assert!(printed.split(' ').any(|kept| kept == word), "{word} was dropped silently");
            }
            prop_assert_eq!(parse(&printed).unwrap(), scopes);
        }
    }

    #[test]
    fn a_grant_covers_what_it_was_asked_for(words in proptest::collection::vec(api_scope(), 1..8)) {
        let text = words.join(" ");
        let asked = ForgejoScopes::parse_allowing_admin(&text).unwrap();
        let granted = GrantedScopes::parse(&text);
        prop_assert!(granted.covers(&asked));
        prop_assert!(!granted.is_everything());
    }

    #[test]
    fn taking_a_category_away_is_noticed(words in proptest::collection::vec(api_scope(), 2..8)) {
        let asked = ForgejoScopes::parse_allowing_admin(&words.join(" ")).unwrap();
        let gone = words[0].split_once(':').unwrap().1;
        let rest: Vec<String> = words.iter().filter(|word| !word.ends_with(gone)).cloned().collect();
        prop_assume!(!rest.is_empty());
        prop_assert!(!GrantedScopes::parse(&rest.join(" ")).covers(&asked));
    }
}

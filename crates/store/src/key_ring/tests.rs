use oauth::random::OsRandom;
use proptest::prelude::*;

use super::*;

const ONE: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const TWO: &str = "_____________________________________________w"; // one byte too long
const THREE: &str = "__________________________________________8";

fn ring(text: &str) -> KeyRing {
    KeyRing::parse(text).unwrap()
}

#[test]
fn a_generated_key_is_read_back() {
    let key = KeyRing::generate(&OsRandom::default()).unwrap();
    assert_eq!(ring(&key).ids().count(), 1);
    assert_ne!(*key, *KeyRing::generate(&OsRandom::default()).unwrap());
}

#[test]
fn what_one_ring_seals_the_same_ring_opens() {
    let ring = ring(ONE);
    let sealed = ring.seal(b"gitea token", b"users/1").unwrap();
    assert_eq!(ring.open(&sealed, b"users/1").unwrap().as_slice(), b"gitea token");
}

#[test]
fn two_sealings_of_one_value_differ() {
    let ring = ring(ONE);
    assert_ne!(ring.seal(b"same", b"").unwrap(), ring.seal(b"same", b"").unwrap());
}

#[test]
fn the_first_key_seals_and_all_open() {
    let old = ring(ONE);
    let sealed = old.seal(b"x", b"").unwrap();
    let both = ring(&format!("{THREE}\n{ONE}"));
    assert_eq!(both.open(&sealed, b"").unwrap().as_slice(), b"x");
    let fresh = both.seal(b"y", b"").unwrap();
    assert_eq!(KeyId::of_sealed(&fresh), ring(THREE).ids().next());
}

#[test]
fn an_unknown_key_is_named() {
    let sealed = ring(ONE).seal(b"x", b"").unwrap();
    let error = ring(THREE).open(&sealed, b"").unwrap_err();
    // SHA-256 of 32 zero bytes begins with 66687aad.
    assert!(error.to_string().contains("66687aad"), "{error}");
}

#[test]
fn a_value_moved_to_another_row_stays_closed() {
    let ring = ring(ONE);
    let sealed = ring.seal(b"x", b"users/1").unwrap();
    assert_eq!(ring.open(&sealed, b"users/2"), Err(OpenSealedError::Damaged));
}

#[test]
fn another_key_under_the_same_name_opens_nothing() {
    let sealed = ring(&format!("k:{ONE}")).seal(b"x", b"").unwrap();
    let other = ring(&format!("k:{THREE}"));
    assert_eq!(other.open(&sealed, b""), Err(OpenSealedError::Damaged));
}

#[test]
fn keys_come_by_line_or_comma_with_comments_names_and_either_alphabet() {
    let text = format!("# the current key\n 2026-11:{THREE} ,\r\n\n{ONE}\n# old ones end here\n");
    assert_eq!(ring(&text).ids().count(), 2);
}

#[test]
fn what_is_no_key_is_refused_with_its_position() {
    let of = |text: &str| KeyRing::parse(text).unwrap_err();
    assert_eq!(of(" \n# only a comment\n,"), KeyError::Empty);
    assert_eq!(of("not base64!"), KeyError::NotBase64 { position: 1 });
    assert_eq!(of(&format!("{ONE},c2hvcnQ")), KeyError::Length { position: 2, length: 5 });
    assert_eq!(of(TWO), KeyError::Length { position: 1, length: 34 });
    assert_eq!(of(&format!(":{ONE}")), KeyError::Name { position: 1 });
    assert!(matches!(of(&format!("{ONE}\n{THREE}\n{ONE}")), KeyError::Duplicate { first: 1, second: 3, .. }));
}

#[test]
fn neither_debug_output_nor_errors_show_a_key() {
    let shown = format!("{:?} {}", ring(THREE), KeyRing::parse(&format!("{THREE}x,")).unwrap_err());
    assert!(!shown.contains("____"), "{shown}");
}

proptest! {
    #[test]
    fn any_changed_byte_keeps_a_value_closed(
        plaintext in prop::collection::vec(any::<u8>(), 0..64),
        aad in prop::collection::vec(any::<u8>(), 0..16),
        position in any::<prop::sample::Index>(),
        flip in 1u8..,
    ) {
        let ring = ring(ONE);
        let mut sealed = ring.seal(&plaintext, &aad).unwrap();
        prop_assert_eq!(&*ring.open(&sealed, &aad).unwrap(), &plaintext);
        let position = position.index(sealed.len());
        sealed[position] ^= flip;
        prop_assert!(ring.open(&sealed, &aad).is_err());
        sealed.truncate(position);
        prop_assert!(ring.open(&sealed, &aad).is_err());
    }
}

#[test]
fn who_has_the_same_ring_derives_the_same_secrets_and_each_key_and_purpose_others() {
    let (first, second) =
        ("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "//////////////////////////////////////////8=");
    let ring = |text: &str| KeyRing::parse(text).unwrap();
    let both = ring(&format!("{first}\n{second}")).derived(b"one");
    assert_eq!(both, [ring(first).derived(b"one"), ring(second).derived(b"one")].concat());
    assert_ne!(both[0], both[1]);
    assert_ne!(both[0], ring(first).derived(b"other")[0]);
    assert_ne!(*both[0], [0u8; 32], "the key itself");
}

//! The members of one JSON object: those that are known by name, as raw text, and whether their names are unambiguous.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Whether a doubled or misspelt known name is a fault.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Strictness {
    Strict,
    /// The first of several counts.
    Lenient,
}

/// What was found, in the order of the known names.
pub(super) struct Members<'a, const N: usize> {
    pub(super) values: [Option<&'a RawValue>; N],
    pub(super) fault: Option<Fault>,
}

/// A known name that two decoders could read differently.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) known: &'static str,
    doubled: bool,
}

/// Reads the object `text`.
pub(super) fn members<'a, const N: usize>(
    text: &'a str,
    known: &[&'static str; N],
    strictness: Strictness,
) -> serde_json::Result<Members<'a, N>> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let members = Seed { known, strictness }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(members)
}

/// Equal for a decoder that folds case: ASCII letters, and the few others whose upper or lower case is an ASCII letter.
fn folds_to(found: &str, known: &str) -> bool {
    if found.is_ascii() {
        return found.eq_ignore_ascii_case(known);
    }
    let fold = |letter: char| match letter {
        'ſ' => 's',
        '\u{212a}' => 'k',
        'ı' | 'İ' => 'i',
        other => other.to_ascii_lowercase(),
    };
    found.chars().map(fold).eq(known.chars().map(fold))
}

struct Seed<'k, const N: usize> {
    known: &'k [&'static str; N],
    strictness: Strictness,
}

/// A name, borrowed where it has no escapes.
pub(super) struct Name<'a>(pub(super) Cow<'a, str>);

// === impl Seed ===

impl<'de, const N: usize> DeserializeSeed<'de> for Seed<'_, N> {
    type Value = Members<'de, N>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, const N: usize> Visitor<'de> for Seed<'_, N> {
    type Value = Members<'de, N>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut values = [None; N];
        let mut fault = None;
        while let Some(Name(name)) = map.next_key()? {
            let exact = self.known.iter().position(|known| *known == name);
            if let Some(index) = exact {
                let value: &'de RawValue = map.next_value()?;
                if values[index].is_none() {
                    values[index] = Some(value);
                } else if self.strictness == Strictness::Strict {
                    fault.get_or_insert(Fault { known: self.known[index], doubled: true });
                }
                continue;
            }
            map.next_value::<IgnoredAny>()?;
            if self.strictness == Strictness::Strict
                && let Some(known) = self.known.iter().find(|known| folds_to(&name, known))
            {
                fault.get_or_insert(Fault { known, doubled: false });
            }
        }
        Ok(Members { values, fault })
    }
}

// === impl Name ===

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl<'de> Visitor<'de> for NameVisitor {
            type Value = Name<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a member name")
            }

            fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(NameVisitor)
    }
}

// === impl Fault ===

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.doubled {
            write!(formatter, "member \"{}\" is there twice", self.known)
        } else {
            write!(formatter, "member \"{}\" is there in another spelling; member names are case-sensitive", self.known)
        }
    }
}

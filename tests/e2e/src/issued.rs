//! Every secret that was issued while these tests ran, and the search for them in what brokers print (B22).
//!
//! Whoever gets a secret in the harness notes it here: the OAuth client its tokens, the browser its cookies, the MCP client its
//! session. What the stand-in gives out is asked for when the search is made. A broker's output is searched when its handle is
//! dropped, so that no test has to think of it.

use std::sync::{Arc, LazyLock};

use parking_lot::Mutex;

use crate::memory::Needles;

/// Shorter texts would be found by chance.
const SHORTEST: usize = 12;

static NOTED: LazyLock<Mutex<Vec<(String, String)>>> = LazyLock::new(Mutex::default);

/// Secrets of somebody who keeps a list of his own, with their names.
pub type Source = Arc<dyn Fn() -> Vec<(String, String)> + Send + Sync>;

/// Which secrets a broker's output is searched for.
#[derive(Clone)]
pub struct Watched {
    /// Those noted from here on.
    from: usize,
    sources: Vec<Source>,
}

/// Notes a secret under a name that may be shown.
pub fn note(name: &str, secret: impl Into<String>) {
    let secret = secret.into();
    if secret.len() >= SHORTEST {
        NOTED.lock().push((name.to_owned(), secret));
    }
}

// === impl Watched ===

impl Watched {
    /// What is noted from now on.
    #[must_use]
    pub fn from_now_on() -> Self {
        Self { from: NOTED.lock().len(), sources: Vec::new() }
    }

    /// And what this source knows by then.
    pub fn add(&mut self, source: Source) {
        self.sources.push(source);
    }

    /// The names of the secrets that are in a text.
    #[must_use]
    pub fn in_text(&self, text: &[u8]) -> Vec<String> {
        let mut secrets: Vec<(String, String)> = NOTED.lock().iter().skip(self.from).cloned().collect();
        secrets.extend(self.sources.iter().flat_map(|source| source()).filter(|(_, text)| text.len() >= SHORTEST));
        let found = Needles::new(secrets.iter().map(|(_, secret)| secret)).in_bytes(text);
        let mut names: Vec<String> =
            found.into_iter().filter_map(|index| secrets.get(index)).map(|(name, _)| name.clone()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_later_and_what_a_source_knows_is_found_and_nothing_else() {
        note("an earlier one", "earlier-secret-0001");
        let mut watched = Watched::from_now_on();
        note("a token", "noted-secret-0002");
        watched.add(Arc::new(|| vec![("a code".to_owned(), "source-secret-0003".to_owned())]));
        let text = b"earlier-secret-0001 noted-secret-0002 source-secret-0003";
        assert_eq!(watched.in_text(text), ["a code", "a token"]);
        assert!(watched.in_text(b"nothing of the kind").is_empty());
    }
}

//! Secrets stay where they belong: not in the log, not in the database in clear, not in a worker (B22, A13).

use anyhow::{Result, ensure};
use e2e::memory::Needles;
use e2e::stack::{KEY, Stack};

mod life;
mod workers;

/// Texts that can be spent, each with a name that may be shown.
#[derive(Default)]
struct Secrets(Vec<(String, String)>);

// === impl Secrets ===

impl Secrets {
    fn add(&mut self, name: &str, value: impl Into<String>) {
        let value = value.into();
        // Shorter ones would be found by chance.
        if value.len() >= 12 && !self.0.iter().any(|(_, known)| *known == value) {
            self.0.push((name.to_owned(), value));
        }
    }

    /// What the stand-in has issued so far, and what the broker was configured with.
    fn add_forgejos(&mut self, stack: &Stack) {
        for secret in stack.sim.issued_secrets() {
            self.add(&format!("{:?} of Forgejo", secret.kind), secret.value);
        }
        self.add("the client secret", &stack.client_secret);
        self.add("the encryption key", KEY);
    }

    fn needles(&self) -> Needles {
        Needles::new(self.0.iter().map(|(_, value)| value))
    }

    fn names(&self, found: &[usize]) -> Vec<&str> {
        found.iter().map(|index| self.0[*index].0.as_str()).collect()
    }

    /// Fails with the names of those that are in `bytes`.
    fn assert_none_in(&self, bytes: &[u8], place: &str) -> Result<()> {
        let found = self.needles().in_bytes(bytes);
        ensure!(found.is_empty(), "in {place}: {:?}", self.names(&found));
        Ok(())
    }
}

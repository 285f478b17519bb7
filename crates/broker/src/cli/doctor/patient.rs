//! What is examined, and the means to do it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use forgejo::oauth_client::{OAuthClient, Outbound};
use forgejo::token_source::Now;
use oauth::clock::{Clock, SystemClock};
use oauth::random::{OsRandom, Random};
use store::KeyRing;

use crate::app::build;
use crate::config::{Config, Keys};
use crate::examination;

/// The broker as configured.
pub(super) struct Patient {
    pub(super) config: Config,
    pub(super) keys: Arc<KeyRing>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<dyn Random>,
    /// Towards Forgejo, as the broker goes there.
    pub(super) outbound: Outbound,
    pub(super) forgejo: OAuthClient,
    /// Towards the public URL, as a client goes there: with the certificates that everybody trusts, and through no proxy of ours.
    pub(super) web: reqwest::Client,
}

// === impl Patient ===

impl Patient {
    pub(super) fn new(config: Config) -> anyhow::Result<Self> {
        let random: Arc<dyn Random> = Arc::new(OsRandom::default());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let keys = Arc::new(build::key_ring(&config.store.keys, random.as_ref())?);
        let outbound = build::outbound(&config)?;
        let forgejo = build::upstream(&config, &outbound, now(&clock))?;
        let web = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(10))
            // One request, one connection: none of them may profit from another.
            .pool_max_idle_per_host(0)
            // The certificate, to see how long it is good.
            .tls_info(true)
            .build()
            .context("cannot make an HTTP client")?;
        Ok(Self { config, keys, clock, random, outbound, forgejo, web })
    }

    /// Forgejo's application with another secret.
    pub(super) fn forgejo_with_secret(&self, secret: String) -> anyhow::Result<OAuthClient> {
        let mut config = self.config.clone();
        config.forgejo.client_secret = secret.into();
        build::upstream(&config, &self.outbound, now(&self.clock))
    }

    /// The proof by which a broker of the same keys knows us.
    pub(super) fn proof(&self) -> anyhow::Result<String> {
        Ok(examination::proof(&self.keys, self.clock.as_ref(), self.config.http.public_url.origin())?)
    }

    /// Whether a running broker can know us at all.
    pub(super) fn has_lasting_keys(&self) -> bool {
        matches!(self.config.store.keys, Keys::Configured(_))
    }

    /// A text that nobody could guess.
    pub(super) fn nonce(&self) -> anyhow::Result<String> {
        let mut bytes = [0u8; 16];
        self.random.fill(&mut bytes)?;
        Ok(hex::encode(bytes))
    }
}

fn now(clock: &Arc<dyn Clock>) -> Now {
    let clock = Arc::clone(clock);
    Arc::new(move || clock.now().0)
}

//! What is judged: one broker, or several behind a balancer.

use anyhow::{Context as _, Result, ensure};
use e2e::broker::{Broker, Settings};
use e2e::children::Child;
use e2e::farm::{Farm, REPLICAS};
use e2e::oauth_client::Tokens;
use e2e::stack::Stack;
use forgejo_sim::SimConfig;

pub(crate) enum House {
    One(Box<Stack>),
    Several(Box<Farm>),
}

// === impl House ===

impl House {
    pub(crate) async fn start(child: &Child, settings: Settings, replicas: bool) -> Result<Self> {
        if !replicas {
            return Ok(Self::One(Box::new(Stack::start_with(child, SimConfig::default(), settings).await?)));
        }
        let farm = Farm::start(child, &settings).await?;
        Ok(Self::Several(Box::new(farm.context("nginx is not installed")?)))
    }

    /// The public origin.
    pub(crate) fn url(&self) -> &str {
        match self {
            Self::One(stack) => &stack.broker.url,
            Self::Several(farm) => &farm.url,
        }
    }

    pub(crate) async fn log_in(&self, login: &str) -> Result<Tokens> {
        let (_, tokens) = match self {
            Self::One(stack) => stack.log_in(login).await?,
            Self::Several(farm) => farm.log_in(login).await?,
        };
        Ok(tokens)
    }

    /// Everything that was logged.
    pub(crate) async fn end(self) -> Result<String> {
        match self {
            Self::One(mut stack) => {
                stack.broker.terminate().await?;
                Ok(stack.broker.log())
            }
            Self::Several(mut farm) => {
                let spread = farm.nginx.spread();
                ensure!(spread.len() == REPLICAS, "the requests have not gone round: {spread:?}");
                farm.terminate().await?;
                Ok(farm.brokers.iter().map(Broker::log).collect::<Vec<_>>().join("\n"))
            }
        }
    }
}

//! `fjmcp-broker keys`.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Subcommand;

use super::exit::Failure;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Print a new encryption key
    Generate,
}

pub(super) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Generate => super::print(&format!("{}\n", generate(&SystemRandom::new())?)),
    }
}

/// 256 random bits in base64url, as `encryption-keys` takes them.
fn generate(random: &dyn SecureRandom) -> Result<String, anyhow::Error> {
    let mut key = [0_u8; 32];
    random.fill(&mut key).map_err(|_| anyhow::anyhow!("the system gave no random bytes"))?;
    Ok(URL_SAFE_NO_PAD.encode(key))
}

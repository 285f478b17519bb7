//! Client ID metadata documents through the built broker: clients with manners, clients that sign, and those who try something
//! (oauth.md §5.2).

mod attacks;
mod public;
mod signed;
mod signer;

use anyhow::Result;
use e2e::broker::Settings;
use e2e::children::fixture;
use e2e::document_server::DocumentServer;
use e2e::stack::Stack;
use forgejo_sim::SimConfig;

const REDIRECT_URI: &str = "http://127.0.0.1:49152/callback";

/// A stack whose broker trusts the server's certificate. Both are on loopback, which is the one case in which such a document is fetched.
async fn stack(server: &DocumentServer, more: Settings) -> Result<Stack> {
    let settings = Settings::default().with("EXTRA_CA_FILE", server.ca_file().display().to_string());
    let mut all = settings;
    all.extend(more);
    Stack::start_with(&fixture("2.34.1")?, SimConfig::default(), all).await
}

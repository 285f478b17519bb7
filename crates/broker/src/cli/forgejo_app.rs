//! `fjmcp-broker forgejo-app`: makes the OAuth2 application in Forgejo and writes the settings that follow from it.
//!
//! Nothing secret is taken from the command line, which every process of the machine can read, and none is printed.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use forgejo::oauth_client::{Applications, ApplicationsError, OutboundConfig, Owner};
use oauth::random::OsRandom;
use secrecy::{ExposeSecret as _, SecretString};
use store::KeyRing;
use url::Url;

use super::exit::Failure;
use crate::build_info::BUILD;
use crate::config::{Addresses, FlagValues, addresses};

mod env_file;

use env_file::EnvFile;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make a confidential application with the right redirect URI, and write client id and secret into a file of settings
    Create(Arguments),
}

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// File to write (0600); made from the shipped example, with a new encryption key
    #[arg(long, value_name = "FILE", default_value = "fjmcp-broker.env")]
    env_file: PathBuf,
    /// Take over a file that is there: client id, secret and addresses are replaced, everything else stays
    #[arg(long)]
    replace: bool,
    /// Name of the application, which users see when they log in
    #[arg(long, value_name = "NAME", default_value = "fjmcp-broker")]
    name: String,
    /// Make another application although one with this redirect URI is there
    #[arg(long)]
    again: bool,
    /// File with an access token of Forgejo's with the scope write:user; `-` is standard input; or the variable `FORGEJO_TOKEN`
    #[arg(long, value_name = "FILE", conflicts_with_all = ["user", "password_file"])]
    token_file: Option<PathBuf>,
    /// Login name in Forgejo; the password is asked for
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// File with the password instead; `-` is standard input
    #[arg(long, value_name = "FILE", requires = "user")]
    password_file: Option<PathBuf>,
    #[command(flatten)]
    settings: FlagValues,
}

pub(super) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Create(arguments) => create(arguments),
    }
}

fn create(arguments: &Arguments) -> Result<(), Failure> {
    let places = addresses(&arguments.settings, &|name| std::env::var_os(name))?;
    let owner = owner(arguments)?;
    // Before anything is made at Forgejo, which shows the secret only once.
    let file = EnvFile::open(&arguments.env_file, arguments.replace)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    let callback = places.public_url.join("/oauth/callback");
    let made = runtime.block_on(register(arguments, &places, owner, &callback));
    let made = match made {
        Ok(made) => made,
        Err(error) => {
            file.abandon();
            return Err(error.into());
        }
    };
    let key = KeyRing::generate(&OsRandom::default()).map_err(anyhow::Error::new)?;
    let kept_key = file.write(
        &[
            ("FJMCP_BROKER_PUBLIC_URL", places.public_url.origin()),
            ("FJMCP_BROKER_FORGEJO_URL", places.forgejo_url.as_str()),
            ("FJMCP_BROKER_FORGEJO_OAUTH_CLIENT_ID", &made.client_id),
            ("FJMCP_BROKER_FORGEJO_OAUTH_CLIENT_SECRET", made.client_secret.expose_secret()),
        ],
        ("FJMCP_BROKER_ENCRYPTION_KEYS", &key),
    )?;
    let key = if kept_key {
        "the encryption keys that were in it stay"
    } else {
        "with a new encryption key, of which you should keep a copy elsewhere: without it the stored logins are lost"
    };
    super::print(&format!(
        "made the OAuth2 application {} at {}: client id {}, redirect URI {callback}\nwrote {} (0600), {key}\nnext: start the broker with these \
         settings, and ask `fjmcp-broker doctor`\n",
        arguments.name,
        places.forgejo_url,
        made.client_id,
        arguments.env_file.display()
    ))
}

async fn register(
    arguments: &Arguments,
    places: &Addresses,
    owner: Owner,
    callback: &str,
) -> anyhow::Result<forgejo::oauth_client::CreatedApplication> {
    let outbound = OutboundConfig {
        extra_ca_pem: places.extra_ca_file.clone(),
        proxy: places.egress_proxy.as_ref().map(|url| url.expose().clone()),
        total_timeout: Duration::from_secs(30),
        ..OutboundConfig::default()
    };
    let outbound = outbound.build().context("outgoing connections")?;
    let base = Url::parse(places.forgejo_internal_url.as_str())?;
    let user_agent = format!("fjmcp-broker/{}", BUILD.version);
    let applications = Applications::new(outbound, &base, owner, user_agent);
    let known = applications.list().await.map_err(|error| explain(&error))?;
    let same = known.iter().find(|known| known.redirect_uris.iter().any(|uri| uri == callback));
    if let Some(same) = same.filter(|_| !arguments.again) {
        bail!(
            "the application {} with client id {} has the redirect URI {callback} already; its secret cannot be read again: use it with a new secret \
             (on its page in Forgejo), delete it, or give --again to make another one",
            same.name,
            same.client_id
        );
    }
    applications.create(&arguments.name, callback).await.map_err(|error| explain(&error))
}

fn explain(error: &ApplicationsError) -> anyhow::Error {
    let what_to_do = match error {
        ApplicationsError::LoginRefused(_) => {
            "; check the token, or name and password; an account with two-factor authentication needs a token (Settings → Applications)"
        }
        ApplicationsError::Forbidden(_) => "; the token needs the scope write:user",
        ApplicationsError::Unexpected(_) => "; delete it in Forgejo, and make the application on the web",
        ApplicationsError::Unreachable(_) => {
            "; check forgejo-url, and forgejo-internal-url if this machine goes another way"
        }
        ApplicationsError::Refused(_) | ApplicationsError::Login => "",
    };
    anyhow::anyhow!("{error}{what_to_do}")
}

/// A token from a file, standard input or the environment; or a name, and a password from a file, standard input or the terminal.
fn owner(arguments: &Arguments) -> anyhow::Result<Owner> {
    if let Some(user) = &arguments.user {
        let password = match &arguments.password_file {
            Some(path) => read(path)?,
            None => rpassword::prompt_password(format!("Password of {user} in Forgejo: "))
                .map(SecretString::from)
                .context("no password could be asked for here; give --password-file, or a token with --token-file")?,
        };
        return Ok(Owner::Password { user: user.clone(), password });
    }
    if let Some(path) = &arguments.token_file {
        return Ok(Owner::Token(read(path)?));
    }
    match std::env::var("FORGEJO_TOKEN") {
        Ok(token) if !token.is_empty() => Ok(Owner::Token(token.into())),
        _ => bail!(
            "as whom? give --token-file FILE (`-` for standard input), the variable FORGEJO_TOKEN, or --user NAME"
        ),
    }
}

/// What a file or standard input holds, without the line end.
fn read(path: &Path) -> anyhow::Result<SecretString> {
    let mut text = String::new();
    if path == Path::new("-") {
        std::io::stdin().lock().take(4096).read_to_string(&mut text).context("cannot read standard input")?;
    } else {
        let file = std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        file.take(4096).read_to_string(&mut text).with_context(|| format!("cannot read {}", path.display()))?;
    }
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        bail!("{} is empty", path.display());
    }
    Ok(secret.to_owned().into())
}

//! Who the server is, and who we are: certificates and passwords.

use anyhow::{Result, ensure};
use e2e::broker::{Settings, free_port};
use e2e::children::fixture;
use e2e::command::run;
use e2e::stack::Stack;
use forgejo_sim::SimConfig;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use scratch_postgres::Cluster;

/// An authority, and a server's certificate of it for one name.
fn authority(name: &str) -> Result<(String, String, String)> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let server = CertificateParams::new(vec![name.to_owned()])?.signed_by(&key, &issuer)?;
    Ok((issuer.pem(), server.pem(), key.serialize_pem()))
}

#[tokio::test]
async fn only_the_right_server_with_the_right_password_is_used() -> Result<()> {
    let (ca, certificate, key) = authority("localhost")?;
    let (stranger, ..) = authority("localhost")?;
    let settings = "ssl = on\nssl_cert_file = 'server.crt'\nssl_key_file = 'server.key'";
    // Nobody gets in without TLS and a password.
    let rules = "hostssl all all 127.0.0.1/32 scram-sha-256\n";
    let files = [("server.crt", certificate.as_str()), ("server.key", key.as_str()), ("pg_hba.conf", rules)];
    let cluster = Cluster::start(settings, &files)?;
    let place = cluster.database()?;

    let folder = tempfile::tempdir()?;
    let file = |name: &str, content: &str| -> Result<String> {
        let path = folder.path().join(name);
        std::fs::write(&path, content)?;
        Ok(path.display().to_string())
    };
    let url = format!("postgres://{}@localhost:{}/{}", place.owner(), cluster.port(), place.owner());
    let right = Settings::default()
        .with("DATABASE_URL", &url)
        .with("DATABASE_PASSWORD_FILE", file("password", &format!("{}\n", place.password()))?)
        .with("DATABASE_TLS", "verify-full")
        .with("DATABASE_CA_FILE", file("ca.pem", &ca)?);
    let stack = Stack::start_with(&fixture("2.18.0")?, SimConfig::default(), right).await?;
    stack.session("alice").await?;
    let plain =
        "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename LIKE 'scratch%' AND NOT ssl";
    ensure!(place.run(plain)? == "0", "a connection without TLS");

    let by_address = url.replace("localhost", "127.0.0.1");
    let wrong = [
        ("DATABASE_CA_FILE", file("stranger.pem", &stranger)?, "certificate"),
        ("DATABASE_URL", by_address, "certificate"),
        ("DATABASE_PASSWORD_FILE", file("wrong", "wrong")?, "password authentication failed"),
        ("DATABASE_TLS", "disable".to_owned(), "no encryption"),
    ];
    for (name, value, said) in wrong {
        let listen = format!("127.0.0.1:{}", free_port()?);
        let settings = stack.settings.clone().with("LISTEN", listen).with(name, value);
        let refused = run(&["serve"], &settings).await?;
        ensure!(refused.code == Some(1) && refused.stderr.contains(said), "{name}: {refused:?}");
    }
    Ok(())
}

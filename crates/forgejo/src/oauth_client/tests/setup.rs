//! Configuration, certificates and the proxy.

use super::*;

const CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----
MIIBjDCCATGgAwIBAgIUQDv9r5IzVWzMu+wl1bNN1kMDxf4wCgYIKoZIzj0EAwIw
GjEYMBYGA1UEAwwPRXhhbXBsZSBUZXN0IENBMCAXDTI2MTEyMzE1MDgzMVoYDzIx
MjYxMDMwMTUwODMxWjAaMRgwFgYDVQQDDA9FeGFtcGxlIFRlc3QgQ0EwWTATBgcq
hkjOPQIBBggqhkjOPQMBBwNCAAQ3fOXlIxD0Nc+sfMq8xitMhZCh/3WelI7OhA5b
E+0S4KRGkuljCZzFtE1LOvxs+TeWz0JYfqvJn3v6Xt3E+d+5o1MwUTAdBgNVHQ4E
FgQU83ZJnIhY/eiJwhXYmm21tRYufy4wHwYDVR0jBBgwFoAU83ZJnIhY/eiJwhXY
mm21tRYufy4wDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNJADBGAiEAoulE
AbJGlxd7C3Lt5i9ZvK2tHG7ITigju2t+8noZpOwCIQD4/MbZO6rmmzoRedyn3e6l
J27NecCHlOb7yP5YChjbIg==
-----END CERTIFICATE-----
";

#[tokio::test]
async fn a_broken_configuration_is_named() {
    let fake = FakeForgejo::start().await;
    let build = |change: &dyn Fn(&mut ForgejoConfig)| {
        let mut config = fake.config();
        change(&mut config);
        config.build(OutboundConfig::default().build().unwrap(), fake.now()).err()
    };
    let url = |text: &str| Url::parse(text).unwrap();
    assert_eq!(build(&|c| c.public_url = url("ftp://x/")), Some(ConfigError::PublicUrl(UrlProblem::Scheme)));
    assert_eq!(build(&|c| c.public_url = url("https://u:p@x/")), Some(ConfigError::PublicUrl(UrlProblem::Userinfo)));
    assert_eq!(
        build(&|c| c.internal_url = Some(url("http://x/?a"))),
        Some(ConfigError::InternalUrl(UrlProblem::QueryOrFragment))
    );
    assert_eq!(
        build(&|c| c.redirect_uri = url("https://x/#f")),
        Some(ConfigError::RedirectUri(UrlProblem::QueryOrFragment))
    );
    assert_eq!(build(&|c| c.client_id = String::new()), Some(ConfigError::ClientId));
    assert_eq!(build(&|c| c.client_secret = secret("gto_x\n")), Some(ConfigError::ClientSecret));
    assert_eq!(build(&|c| c.user_agent = "a\nb".to_owned()), Some(ConfigError::UserAgent));
}

#[test]
fn a_ca_file_that_is_absent_or_empty_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    let config = OutboundConfig { extra_ca_pem: Some(path.clone()), ..OutboundConfig::default() };
    assert!(matches!(config.build(), Err(OutboundError::CaFile { .. })));
    std::fs::write(&path, "no certificate").unwrap();
    let error = config.build().unwrap_err();
    assert!(error.to_string().contains("ca.pem"), "{error}");
    let socks = OutboundConfig { proxy: Some(Url::parse("socks5://x:1").unwrap()), ..OutboundConfig::default() };
    assert!(matches!(socks.build(), Err(OutboundError::Proxy)));
}

#[test]
fn a_certificate_in_pem_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, format!("{CERTIFICATE}{CERTIFICATE}")).unwrap();
    let config = OutboundConfig { extra_ca_pem: Some(path), ..OutboundConfig::default() };
    config.build().unwrap();
}

#[tokio::test]
async fn with_a_proxy_everything_goes_through_it() {
    let proxy = FakeForgejo::start().await;
    let mut config = proxy.config();
    config.public_url = Url::parse("http://git.invalid").unwrap();
    let outbound = OutboundConfig { proxy: Some(proxy.base.clone()), ..OutboundConfig::default() };
    let client = config.build(outbound.build().unwrap(), proxy.now()).unwrap();
    client.exchange(&proxy.code(), VERIFIER).await.unwrap();
    assert_eq!(proxy.seen().headers[0]["host"], "git.invalid");
}

#[tokio::test]
async fn a_wait_that_forgejo_asks_for_is_reported_within_bounds() {
    let fake = FakeForgejo::start().await;
    for (said, reported) in [("7", Some(7)), ("0", Some(1)), ("4000000000", Some(300)), ("soon", None)] {
        fake.set(|levers| {
            levers.token = Some(Canned { retry_after: Some(said), ..Canned::html(503) });
        });
        let error = fake.client().refresh(&secret("r")).await.unwrap_err();
        assert!(
            matches!(&error, RefreshError::Unreachable(error) if error.retry_after == reported),
            "{said}: {error:?}"
        );
    }
}

//! TLS before servers that speak plain HTTP, under an authority made for the run, so that a browser keeps `__Host-` cookies.

use std::sync::Arc;

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// Vouches for a few names.
pub(crate) struct Authority {
    acceptor: TlsAcceptor,
}

// === impl Authority ===

impl Authority {
    /// One certificate for all of `names`.
    ///
    /// # Errors
    /// When none can be made.
    pub(crate) fn new(names: &[&str]) -> Result<Self> {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let certificate = CertificateParams::new(names)?.signed_by(&key, &authority)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))?;
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)) })
    }

    /// Listens for TLS and passes on what comes to `target`; the port.
    ///
    /// # Errors
    /// When nothing can be listened on.
    pub(crate) async fn front(&self, target: String) -> Result<u16> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let acceptor = self.acceptor.clone();
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(pass(acceptor.clone(), connection, target.clone()));
            }
        });
        Ok(port)
    }
}

/// A connection that fails is the browser's to notice.
async fn pass(acceptor: TlsAcceptor, connection: TcpStream, target: String) -> std::io::Result<()> {
    let mut outside = acceptor.accept(connection).await?;
    let mut inside = TcpStream::connect(target).await?;
    tokio::io::copy_bidirectional(&mut outside, &mut inside).await?;
    Ok(())
}

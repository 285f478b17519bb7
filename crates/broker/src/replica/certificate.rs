//! How replicas know each other: certificates of an authority that whoever has the key ring can make.
//!
//! Each key of the ring gives an authority (Ed25519, its key derived by HKDF); a replica makes itself a certificate under the first one at its
//! start, which names it, and trusts all of them, so that a key can be replaced while replicas run. Rejected: certificates from files, which
//! would be one more secret for the operator to hand out and renew, with nothing gained: whoever has the ring reads the database anyway.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, PKCS_ED25519,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig, version};
use store::KeyRing;
use zeroize::Zeroizing;

/// What the authority's key is derived for.
const PURPOSE: &[u8] = b"replica certificate authority 1";
/// RFC 8410 §7: what stands before the seed in the PKCS#8 form of an Ed25519 key.
const ED25519_PKCS8: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
/// Ends the names of replicas in certificates; no name that anybody resolves.
const DOMAIN: &str = "replica.fjmcp.internal";

/// Why there are no certificates.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CertificateError {
    /// A certificate could not be made.
    #[error("a certificate for the other replicas can't be made: {0}")]
    Made(#[from] rcgen::Error),
    /// The TLS library does not take them.
    #[error("the certificates for the other replicas can't be used: {0}")]
    Used(#[from] rustls::Error),
    /// Nor as somebody's who connects.
    #[error("the certificates of the other replicas can't be checked: {0}")]
    Checked(#[from] rustls::server::VerifierBuilderError),
}

/// Both sides of a connection between replicas.
pub(crate) struct Identity {
    pub(crate) server: Arc<ServerConfig>,
    pub(crate) client: ClientConfig,
}

/// The name of a replica in its certificate: its own may have other characters than a host may.
pub(crate) fn host_of(replica: &str) -> String {
    format!("{}.{DOMAIN}", hex::encode(&digest(&SHA256, replica.as_bytes()).as_ref()[..16]))
}

// === impl Identity ===

impl Identity {
    /// The identity of the replica of this name.
    pub(crate) fn of(replica: &str, keys: &KeyRing) -> Result<Self, CertificateError> {
        let authorities = keys.derived(PURPOSE).iter().map(|seed| authority(seed)).collect::<Result<Vec<_>, _>>()?;
        let mut roots = RootCertStore::empty();
        for authority in &authorities {
            roots.add(authority.der().clone())?;
        }
        let first = authorities.first().ok_or(rcgen::Error::CouldNotParseKeyPair)?;
        let key = KeyPair::generate_for(&PKCS_ED25519)?;
        let mut leaf = CertificateParams::new([host_of(replica)])?;
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let chain: Vec<CertificateDer<'static>> = vec![leaf.signed_by(&key, first)?.der().clone()];
        let key = || PrivateKeyDer::Pkcs8(key.serialize_der().into());

        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let roots = Arc::new(roots);
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider)).build()?;
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&version::TLS13])?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain.clone(), key())?;
        let client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&version::TLS13])?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key())?;
        Ok(Self { server: Arc::new(server), client })
    }
}

fn authority(seed: &[u8; 32]) -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
    let key = Zeroizing::new([&ED25519_PKCS8[..], seed].concat());
    let key = KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(key.as_slice()), &PKCS_ED25519)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "fjmcp-broker replicas");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    CertifiedIssuer::self_signed(params, key)
}

#[cfg(test)]
mod tests {
    use std::io;

    use rustls::client::ResolvesClientCert;
    use rustls::pki_types::ServerName;
    use rustls::sign::CertifiedKey;
    use rustls::{ClientConnection, ServerConnection, SignatureScheme};

    use super::*;

    const ONE: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    const TWO: &str = "//////////////////////////////////////////8=";

    #[derive(Debug)]
    struct NoCertificate;

    impl ResolvesClientCert for NoCertificate {
        fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
            None
        }

        fn has_certs(&self) -> bool {
            false
        }
    }

    fn identity(replica: &str, keys: &[&str]) -> Identity {
        Identity::of(replica, &KeyRing::parse(&keys.join("\n")).unwrap()).unwrap()
    }

    /// A handshake in memory: what the client and the server make of each other.
    fn shake(client: ClientConfig, server: &Identity, name: &str) -> Result<(), rustls::Error> {
        let name = ServerName::try_from(host_of(name)).unwrap();
        let mut client = ClientConnection::new(Arc::new(client), name).unwrap();
        let mut server = ServerConnection::new(Arc::clone(&server.server)).unwrap();
        for _ in 0..8 {
            let mut wire = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut wire).unwrap();
            }
            read(&mut wire.as_slice(), |from| server.read_tls(from));
            server.process_new_packets()?;
            let mut wire = Vec::new();
            while server.wants_write() {
                server.write_tls(&mut wire).unwrap();
            }
            read(&mut wire.as_slice(), |from| client.read_tls(from));
            client.process_new_packets()?;
        }
        assert!(!client.is_handshaking() && !server.is_handshaking());
        Ok(())
    }

    fn read(wire: &mut &[u8], mut into: impl FnMut(&mut dyn io::Read) -> io::Result<usize>) {
        while !wire.is_empty() {
            into(wire).unwrap();
        }
    }

    #[test]
    fn replicas_of_one_ring_know_each_other_also_while_a_key_is_replaced() {
        let before = identity("one", &[ONE]);
        let between = identity("two", &[ONE, TWO]);
        let after = identity("three", &[TWO, ONE]);
        for (client, server, name) in
            [(&before, &between, "two"), (&between, &after, "three"), (&after, &between, "two")]
        {
            assert_eq!(shake(client.client.clone(), server, name), Ok(()));
        }
        // The order of a rotation: first all have the new key, then it becomes the first.
        assert!(shake(before.client.clone(), &after, "three").is_err());
    }

    #[test]
    fn a_stranger_is_nobody_to_either_side_and_no_replica_can_pass_for_another() {
        let ours = identity("one", &[ONE]);
        let strangers = identity("one", &[TWO]);
        assert!(shake(strangers.client.clone(), &ours, "one").is_err());
        assert!(shake(ours.client.clone(), &strangers, "one").is_err());
        assert!(shake(ours.client.clone(), &ours, "two").is_err());
        let mut nameless = ours.client.clone();
        nameless.client_auth_cert_resolver = Arc::new(NoCertificate);
        assert!(shake(nameless, &ours, "one").is_err());
    }
}

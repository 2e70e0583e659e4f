//! A user's certificate at the border: what it says, and what the authorities beside it vouch for.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use endstate_core::Usage;
use jiff::Timestamp;
use rustls::RootCertStore;
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;

/// A user's certificate, with those that were sent with it, whose key is its own.
pub(super) struct Leaf<'a> {
    chain: Vec<CertificateDer<'a>>,
    provider: Arc<CryptoProvider>,
}

impl<'a> Leaf<'a> {
    pub(super) fn read(certificate: &'a [u8], key: &[u8]) -> Option<Self> {
        let chain: Vec<_> =
            CertificateDer::pem_slice_iter(certificate).collect::<Result<_, _>>().ok()?;
        let key = PrivateKeyDer::from_pem_slice(key).ok()?;
        let provider = Arc::new(ring::default_provider());
        CertifiedKey::from_der(chain.clone(), key, &provider).ok()?;
        (!chain.is_empty()).then_some(Self { chain, provider })
    }

    /// The certificate itself.
    pub(super) fn der(&self) -> &[u8] {
        self.chain.first().map(|it| &**it).unwrap_or_default()
    }

    /// For what it is good at a time by these authorities.
    pub(super) fn usages(&self, authorities: &[u8], at: Timestamp) -> BTreeSet<Usage> {
        let all = CertificateDer::pem_slice_iter(authorities).flatten();
        vouched(&self.chain, all, at, &self.provider)
    }

    /// Those of the authorities that vouch for it by themselves.
    pub(super) fn vouchers(
        &self,
        authorities: &[u8],
        at: Timestamp,
    ) -> Vec<CertificateDer<'static>> {
        let all = CertificateDer::pem_slice_iter(authorities).flatten();
        let alone = |it: &CertificateDer<'_>| {
            !vouched(&self.chain, [it.clone()], at, &self.provider).is_empty()
        };
        all.filter(alone).collect()
    }
}

/// For what a certificate is good by these authorities.
fn vouched<'a>(
    chain: &[CertificateDer<'_>],
    authorities: impl IntoIterator<Item = CertificateDer<'a>>,
    at: Timestamp,
    provider: &Arc<CryptoProvider>,
) -> BTreeSet<Usage> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(authorities);
    let seconds = u64::try_from(at.as_second()).unwrap_or_default();
    let at = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    let Some((leaf, others)) = chain.split_first() else { return BTreeSet::new() };
    let algorithms = provider.signature_verification_algorithms.all;
    let server = ParsedCertificate::try_from(leaf).is_ok_and(|it| {
        verify_server_cert_signed_by_trust_anchor(&it, &roots, others, at, algorithms).is_ok()
    });
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(provider));
    let client = verifier.build().is_ok_and(|it| it.verify_client_cert(leaf, others, at).is_ok());
    let all = [(Usage::Server, server), (Usage::Client, client)];
    all.into_iter().filter(|it| it.1).map(|it| it.0).collect()
}

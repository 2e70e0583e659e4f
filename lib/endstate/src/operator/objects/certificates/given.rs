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

/// The certificate of these files as DER, if the key is its own, and for what it is good at a time.
pub(super) fn read(
    (certificate, key, authorities): (&[u8], &[u8], &[u8]),
) -> Option<(Vec<u8>, impl Fn(Timestamp) -> BTreeSet<Usage>)> {
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(certificate).collect::<Result<_, _>>().ok()?;
    let key = PrivateKeyDer::from_pem_slice(key).ok()?;
    let provider = Arc::new(ring::default_provider());
    CertifiedKey::from_der(chain.clone(), key, &provider).ok()?;
    let leaf = chain.first()?.to_vec();
    Some((leaf, move |at| vouched(&chain, authorities, at, &provider)))
}

/// For what a certificate is good by these authorities.
fn vouched(
    chain: &[CertificateDer<'_>],
    authorities: &[u8],
    at: Timestamp,
    provider: &Arc<CryptoProvider>,
) -> BTreeSet<Usage> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(authorities).flatten());
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

//! Where a member is, and what it takes to talk to it with TLS.

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};

/// The address of a member, such as `https://10.244.0.7:2379`.
///
/// ```
/// let endpoint = endstate::client::Endpoint::plain("10.244.0.7:2379");
/// assert_eq!(endpoint.url(), "http://10.244.0.7:2379");
/// ```
#[derive(Clone, Debug)]
pub struct Endpoint {
    url: String,
    tls: Option<Secured>,
}

#[derive(Clone, Debug)]
struct Secured {
    files: TlsFiles,
    /// The name that the member's certificate must have: its address is a number.
    name: String,
}

/// The operator's own certificate, its key, and the authorities that it trusts, as PEM. They are not printed.
///
/// ```
/// let secrets = endstate::operator::Secrets::default();
/// # let identity = endstate_core::Identity::new("default", "demo", "u");
/// let files = endstate_core::tls::Link::managed().files("app", &identity, endstate_core::tls::Holder::Operator);
/// assert!(files.and_then(|it| secrets.tls(&it)).is_none(), "nothing is there yet");
/// ```
#[derive(Clone)]
pub struct TlsFiles {
    /// The certificate.
    pub certificate: Vec<u8>,
    /// Its key.
    pub key: Vec<u8>,
    /// The authorities.
    pub authorities: Vec<u8>,
}

impl std::fmt::Debug for TlsFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsFiles").finish_non_exhaustive()
    }
}

/// Why TLS cannot be spoken with these files.
#[derive(Debug, thiserror::Error)]
pub(super) enum TlsError {
    #[error("a file is no PEM")]
    Pem(#[from] pem::Error),
    #[error("a certificate cannot be used")]
    Tls(#[from] rustls::Error),
    #[error("the name of the member is no DNS name")]
    Name(#[from] rustls::pki_types::InvalidDnsNameError),
}

impl Endpoint {
    /// A member at `HOST:PORT` that is talked to in plain.
    pub fn plain(address: &str) -> Self {
        Self { url: format!("http://{address}"), tls: None }
    }

    /// A member at `HOST:PORT` that is talked to with TLS, and whose certificate has this name.
    pub fn secured(address: &str, name: String, files: TlsFiles) -> Self {
        Self { url: format!("https://{address}"), tls: Some(Secured { files, name }) }
    }

    /// Its URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The files to talk to it by and the name that its certificate must have, if it is talked to with TLS.
    pub fn secured_by(&self) -> Option<(&TlsFiles, &str)> {
        self.tls.as_ref().map(|it| (&it.files, it.name.as_str()))
    }

    /// The same for rustls.
    pub(super) fn config(
        &self,
    ) -> Result<Option<(Arc<ClientConfig>, ServerName<'static>)>, TlsError> {
        let Some(Secured { files, name }) = &self.tls else { return Ok(None) };
        let mut roots = RootCertStore::empty();
        for authority in CertificateDer::pem_slice_iter(&files.authorities) {
            roots.add(authority?)?;
        }
        let chain = CertificateDer::pem_slice_iter(&files.certificate).collect::<Result<_, _>>()?;
        let key = PrivateKeyDer::from_pem_slice(&files.key)?;
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)?;
        Ok(Some((Arc::new(config), ServerName::try_from(name.clone())?)))
    }
}

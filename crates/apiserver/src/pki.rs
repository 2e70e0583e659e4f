//! The server's own certificate authority and service-account key, kept in a directory.
//!
//! Invariants: the CA and the service-account key are made once and never replaced, because kubeconfigs and
//! tokens depend on them; leaf certificates are issued anew at each start. Private files have mode 0600 and are
//! written under another name and renamed, so that a crash leaves either none or a whole one.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;

use crate::token::TokenKey;

/// The name that every serving certificate carries, whatever the listener's address.
const SERVICE_NAMES: [&str; 5] = [
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
];
/// The addresses that every serving certificate carries: loopback, and the service `kubernetes`.
const SERVICE_ADDRESSES: [&str; 3] = ["127.0.0.1", "::1", "10.96.0.1"];

const VALID_YEARS: i32 = 10;

/// Why the certificates could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    #[error("cannot read or write {path}")]
    File { path: PathBuf, source: std::io::Error },
    #[error("cannot make a certificate")]
    Certificate(#[from] rcgen::Error),
    #[error("{path} does not hold a usable key")]
    Key { path: PathBuf },
    #[error("cannot set TLS up")]
    Tls(#[from] rustls::Error),
}

/// A client certificate and its key, both as PEM.
#[derive(Clone)]
pub struct ClientCertificate {
    pub certificate: String,
    pub key: String,
}

/// Certificates and keys of one API server.
#[derive(Clone)]
pub struct Pki {
    ca_pem: String,
    admin: ClientCertificate,
    tls: Arc<rustls::ServerConfig>,
    token_key: Arc<TokenKey>,
}

impl Pki {
    /// Reads the authority and the token key from a directory, or makes them there; issues a serving certificate
    /// for `sans` (names and addresses) and the administrator's client certificate.
    pub fn load_or_create(directory: &Path, sans: &[String]) -> Result<Self, PkiError> {
        std::fs::create_dir_all(directory).map_err(file_error(directory))?;
        let ca_key = load_or_create_key(&directory.join("ca.key"))?;
        let ca_pem = load_or_create_ca(&directory.join("ca.crt"), &ca_key)?;
        let token_key = load_or_create_key(&directory.join("sa.key"))?;
        let authority = Authority { ca_pem, issuer_key: ca_key };
        let (server_pem, server_key) = authority.issue_server(sans)?;
        let admin = authority.issue_client("kubernetes-admin", &["system:masters"])?;
        write_private(&directory.join("admin.crt"), &admin.certificate)?;
        write_private(&directory.join("admin.key"), &admin.key)?;
        authority.into_pki(Serving { certificate: server_pem, key: server_key }, admin, &token_key)
    }

    /// The authority's certificate as PEM: what clients trust.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The administrator's client certificate (group `system:masters`).
    pub fn admin(&self) -> &ClientCertificate {
        &self.admin
    }

    pub(crate) fn tls(&self) -> Arc<rustls::ServerConfig> {
        self.tls.clone()
    }

    pub(crate) fn token_key(&self) -> &TokenKey {
        &self.token_key
    }

    /// A kubeconfig for the administrator.
    pub fn kubeconfig(&self, server_url: &str) -> String {
        let ca = BASE64.encode(&self.ca_pem);
        let certificate = BASE64.encode(&self.admin.certificate);
        let key = BASE64.encode(&self.admin.key);
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: endstate\nclusters:\n- name: endstate\n  cluster:\n    \
             server: {server_url}\n    certificate-authority-data: {ca}\ncontexts:\n- name: endstate\n  context:\n    \
             cluster: endstate\n    user: endstate-admin\nusers:\n- name: endstate-admin\n  user:\n    \
             client-certificate-data: {certificate}\n    client-key-data: {key}\n"
        )
    }
}

struct Authority {
    ca_pem: String,
    issuer_key: KeyPair,
}

struct Serving {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Authority {
    fn issuer(&self) -> Result<Issuer<'static, &KeyPair>, rcgen::Error> {
        Issuer::from_ca_cert_pem(&self.ca_pem, &self.issuer_key)
    }

    fn issue_server(&self, sans: &[String]) -> Result<(rcgen::Certificate, KeyPair), PkiError> {
        let names = SERVICE_NAMES.iter().chain(&SERVICE_ADDRESSES).map(|name| (*name).to_owned());
        let mut names: Vec<String> = names.chain(sans.iter().cloned()).collect();
        names.sort_unstable();
        names.dedup();
        let mut params = leaf_params(CertificateParams::new(names)?, "kube-apiserver");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate()?;
        Ok((params.signed_by(&key, &self.issuer()?)?, key))
    }

    fn issue_client(&self, user: &str, groups: &[&str]) -> Result<ClientCertificate, PkiError> {
        let mut params = leaf_params(CertificateParams::default(), user);
        for group in groups {
            params.distinguished_name.push(DnType::OrganizationName, *group);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer()?)?;
        Ok(ClientCertificate { certificate: certificate.pem(), key: ec_private_key(&key)? })
    }

    fn into_pki(
        self,
        serving: Serving,
        admin: ClientCertificate,
        token_key: &KeyPair,
    ) -> Result<Pki, PkiError> {
        let ca_der = pem_to_der(&self.ca_pem)
            .ok_or_else(|| PkiError::Key { path: PathBuf::from("ca.crt") })?;
        let tls = server_config(&serving, ca_der)?;
        let token_key = TokenKey::from_pkcs8(&token_key.serialize_der())
            .ok_or_else(|| PkiError::Key { path: PathBuf::from("sa.key") })?;
        Ok(Pki { ca_pem: self.ca_pem, admin, tls: Arc::new(tls), token_key: Arc::new(token_key) })
    }
}

/// A P-256 key as `EC PRIVATE KEY` (RFC 5915), which every client reads; some take PKCS #8 for RSA.
fn ec_private_key(key: &KeyPair) -> Result<String, PkiError> {
    const SECRET: usize = 32;
    const POINT: usize = 65;
    // Inside of PKCS #8 is the same structure without its curve: version 1, then the secret.
    const BEFORE_SECRET: &[u8] = &[0x02, 0x01, 0x01, 0x04, 0x20];
    const CURVE: &[u8] = &[0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    const BEFORE_POINT: &[u8] = &[0xa1, 0x44, 0x03, 0x42, 0x00];
    const LINE: usize = 64;
    let pkcs8 = key.serialize_der();
    let start = pkcs8.windows(BEFORE_SECRET.len()).position(|it| it == BEFORE_SECRET);
    let secret = start.and_then(|at| pkcs8.get(at + BEFORE_SECRET.len()..)?.get(..SECRET));
    let point = Some(key.public_key_raw()).filter(|it| it.len() == POINT);
    let (Some(secret), Some(point)) = (secret, point) else {
        return Err(PkiError::Key { path: PathBuf::from("admin.key") });
    };
    let body = [BEFORE_SECRET, secret, CURVE, BEFORE_POINT, point].concat();
    let length = u8::try_from(body.len()).expect("the parts have fixed lengths");
    let text = BASE64.encode([&[0x30, length], body.as_slice()].concat());
    let lines: Vec<&str> =
        (0..text.len()).step_by(LINE).map(|at| &text[at..text.len().min(at + LINE)]).collect();
    Ok(format!(
        "-----BEGIN EC PRIVATE KEY-----\n{}\n-----END EC PRIVATE KEY-----\n",
        lines.join("\n")
    ))
}

fn server_config(
    serving: &Serving,
    ca: CertificateDer<'static>,
) -> Result<rustls::ServerConfig, PkiError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(ca.clone())?;
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .allow_unauthenticated()
        .build()
        .map_err(|error| rustls::Error::General(error.to_string()))?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(serving.key.serialize_der()));
    let chain = vec![serving.certificate.der().clone(), ca];
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn leaf_params(mut params: CertificateParams, common_name: &str) -> CertificateParams {
    let year = i32::from(Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).year());
    // From a year ago, so that a clock that is a little off is no error.
    params.not_before = rcgen::date_time_ymd(year - 1, 1, 1);
    params.not_after = rcgen::date_time_ymd(year + VALID_YEARS, 1, 1);
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    params.use_authority_key_identifier_extension = true;
    params
}

fn load_or_create_ca(path: &Path, key: &KeyPair) -> Result<String, PkiError> {
    if let Some(pem) = read(path)? {
        return Ok(pem);
    }
    let mut params = leaf_params(CertificateParams::default(), "endstate-ca");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    let pem = params.self_signed(key)?.pem();
    write_private(path, &pem)?;
    Ok(pem)
}

fn load_or_create_key(path: &Path) -> Result<KeyPair, PkiError> {
    if let Some(pem) = read(path)? {
        return KeyPair::from_pem(&pem).map_err(|_| PkiError::Key { path: path.to_owned() });
    }
    let key = KeyPair::generate()?;
    write_private(path, &key.serialize_pem())?;
    Ok(key)
}

fn read(path: &Path) -> Result<Option<String>, PkiError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(file_error(path)(error)),
    }
}

fn write_private(path: &Path, text: &str) -> Result<(), PkiError> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let partial = path.with_extension("partial");
    let write = || {
        let mut options = std::fs::OpenOptions::new();
        let mut file =
            options.write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&partial, path)
    };
    write().map_err(file_error(path))
}

fn file_error(path: &Path) -> impl FnOnce(std::io::Error) -> PkiError {
    let path = path.to_owned();
    move |source| PkiError::File { path, source }
}

/// The first block of a PEM text.
fn pem_to_der(pem: &str) -> Option<CertificateDer<'static>> {
    let body: String = pem
        .lines()
        .skip_while(|line| !line.starts_with("-----BEGIN"))
        .skip(1)
        .take_while(|line| !line.starts_with("-----END"))
        .collect();
    BASE64.decode(body).ok().map(CertificateDer::from)
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::pem::PemObject as _;

    use super::*;

    #[test]
    fn a_clients_key_is_an_ec_private_key_and_the_one_of_its_certificate() {
        let directory = tempfile::tempdir().unwrap();
        let pki = Pki::load_or_create(directory.path(), &[]).unwrap();
        let admin = pki.admin();
        assert!(admin.key.starts_with("-----BEGIN EC PRIVATE KEY-----\n"));
        let key = PrivateKeyDer::from_pem_slice(admin.key.as_bytes()).unwrap();
        assert!(matches!(key, PrivateKeyDer::Sec1(_)));
        let chain = vec![CertificateDer::from_pem_slice(admin.certificate.as_bytes()).unwrap()];
        let provider = rustls::crypto::ring::default_provider();
        let certified = rustls::sign::CertifiedKey::from_der(chain, key, &provider).unwrap();
        certified.keys_match().unwrap();
    }

    #[test]
    fn keys_of_an_earlier_start_are_kept() {
        let directory = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        write_private(&directory.path().join("ca.key"), &key.serialize_pem()).unwrap();
        write_private(&directory.path().join("admin.key"), &key.serialize_pem()).unwrap();
        let first = Pki::load_or_create(directory.path(), &[]).unwrap();
        let again = Pki::load_or_create(directory.path(), &[]).unwrap();
        assert_eq!(first.ca_pem(), again.ca_pem());
        assert_ne!(first.admin().key, again.admin().key);
    }
}

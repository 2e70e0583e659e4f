//! The driver and real members that speak TLS: who may see them, and that a certificate is renewed beneath them.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use endstate::client::{Endpoint, TlsFiles};
use endstate::driver::{Address, Driver, Target};
use endstate::operator::Secrets;
use endstate_core::tls::{Authorities, Link, Source, Tls};
use endstate_core::{Identity, Reach};
use endstate_etcd::EtcdDriver;
use endstate_etcd::client::Connection;
use etcd_plan::EtcdClusterSpec;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::support::{Place, Process, eventually};

/// By what the members of the cluster `demo` are found.
const MEMBERS: &str = "*.demo-peer.default.svc";

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A certificate and its key.
    fn sign(&self, name: &str) -> TlsFiles {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.extended_key_usages = vec![
            rcgen::ExtendedKeyUsagePurpose::ServerAuth,
            rcgen::ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let certificate = params.signed_by(&key, &self.0).unwrap();
        TlsFiles {
            certificate: certificate.pem().into(),
            key: key.serialize_pem().into(),
            authorities: self.0.pem().into(),
        }
    }
}

/// As the kubelet renews the files of a volume: each at once.
fn write(files: &TlsFiles, dir: &Path) {
    for (name, content) in
        [("tls.crt", &files.certificate), ("tls.key", &files.key), ("ca.crt", &files.authorities)]
    {
        let new = dir.join(format!("{name}.new"));
        fs::write(&new, content).unwrap();
        fs::rename(new, dir.join(name)).unwrap();
    }
}

/// A member that serves its clients with TLS.
fn start(place: &mut Place, files: &TlsFiles) -> Process {
    let dir = place.dir.path().to_owned();
    write(files, &dir);
    place.client = place.client.replace("http://", "https://");
    let path = |file: &str| dir.join(file).display().to_string();
    place.start_with(&[
        format!("--cert-file={}", path("tls.crt")),
        format!("--key-file={}", path("tls.key")),
        format!("--trusted-ca-file={}", path("ca.crt")),
        "--client-cert-auth=true".into(),
    ])
}

fn at(place: &Place) -> &str {
    place.client.split_once("://").unwrap().1
}

/// How far a look comes that has this certificate.
async fn reach(place: &Place, link: Link, files: Option<&TlsFiles>) -> Reach {
    let object = Identity::new("default", "demo", "0c5f");
    let mut spec = EtcdClusterSpec::new(1, "3.5.16");
    spec.tls = Tls { client: Some(link), peer: Some(Link::Off) };
    let host = format!("http://{}", at(place));
    let mut target = Target::new(&object, &spec).member(Address::of("a", Some(host)));
    if let Some(files) = files {
        target.secrets = Secrets::default()
            .with("demo-operator-tls", "tls.crt", files.certificate.clone())
            .with("demo-operator-tls", "tls.key", files.key.clone())
            .with("demo-operator-tls", "ca.crt", files.authorities.clone());
    }
    EtcdDriver::default().observe(&target).await.reach("a")
}

#[tokio::test]
async fn members_are_seen_with_a_certificate_of_their_authority_and_with_no_other() {
    let (authority, other) = (Authority::new("one"), Authority::new("other"));
    let mut place = Place::new("a");
    let _member = start(&mut place, &authority.sign(MEMBERS));
    let operator = authority.sign("operator");
    let on = Link::managed;
    eventually("it is seen", async || match reach(&place, on(), Some(&operator)).await {
        Reach::Reachable => Ok(()),
        other => Err(other),
    })
    .await;
    let stranger = other.sign("operator");
    assert_eq!(reach(&place, on(), Some(&stranger)).await, Reach::Unreachable, "another's");
    let believes = TlsFiles { authorities: operator.authorities.clone(), ..stranger };
    assert_eq!(reach(&place, on(), Some(&believes)).await, Reach::Unreachable, "refused by it");
    assert_eq!(reach(&place, on(), None).await, Reach::Unknown, "the secret is not there");
    let ready = Link::Ready(Source::Managed(Authorities::only(1)));
    assert_eq!(reach(&place, ready, Some(&operator)).await, Reach::Reachable, "the second try");
    assert_eq!(reach(&place, Link::Off, Some(&operator)).await, Reach::Unreachable, "no TLS");

    let files = operator.clone();
    let named = |name: &str| Endpoint::secured(at(&place), name.into(), files.clone());
    let connection = Connection::to(&named("a.demo-peer.default.svc")).await.unwrap();
    assert!(connection.serves().await, "/health is asked with TLS, too");
    let connection = Connection::to(&named("a.other-peer.default.svc")).await.unwrap();
    assert!(connection.status().await.is_err(), "the member of another cluster");
    assert!(!connection.serves().await);
}

#[tokio::test]
async fn a_certificate_is_renewed_without_a_restart() {
    let authority = Authority::new("one");
    let mut place = Place::new("a");
    let first = authority.sign(MEMBERS);
    let _member = start(&mut place, &first);
    let operator = authority.sign("operator");
    eventually("it serves", async || shown(&place, &operator).await).await;
    let second = authority.sign(MEMBERS);
    write(&second, place.dir.path());
    let now = shown(&place, &operator).await.unwrap();
    assert_eq!(now, der(&second));
    assert_ne!(now, der(&first));
}

fn der(files: &TlsFiles) -> Vec<u8> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    CertificateDer::from_pem_slice(&files.certificate).unwrap().to_vec()
}

/// The certificate that a member shows to somebody who connects now.
async fn shown(place: &Place, files: &TlsFiles) -> std::io::Result<Vec<u8>> {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&files.authorities).unwrap()).unwrap();
    let chain = vec![CertificateDer::from_pem_slice(&files.certificate).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(&files.key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .unwrap();
    let name = ServerName::try_from("a.demo-peer.default.svc").unwrap();
    let stream = TcpStream::connect(at(place)).await?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    Ok(stream.get_ref().1.peer_certificates().unwrap()[0].to_vec())
}

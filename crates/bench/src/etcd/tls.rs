//! Certificates for members that are started by hand: one authority, and one certificate for all members and clients.

use std::fs::{read, write};
use std::path::Path;

use anyhow::Result;
use etcd_client::{Certificate, ConnectOptions, Identity, TlsOptions};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};

const FILES: [&str; 3] = ["ca.crt", "tls.crt", "tls.key"];

/// Makes the files in a folder.
pub(super) fn issue(folder: &Path) -> Result<()> {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
    let mut params = CertificateParams::new(["127.0.0.1".to_owned()])?;
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &authority)?;
    let contents = [authority.pem(), certificate.pem(), key.serialize_pem()];
    for (file, content) in FILES.iter().zip(contents) {
        write(folder.join(file), content)?;
    }
    Ok(())
}

/// What a member is started with: TLS to clients and between members, and nobody without a certificate.
pub(super) fn flags(folder: &Path) -> Vec<String> {
    let [ca, certificate, key] = FILES.map(|it| folder.join(it).display().to_string());
    let of = |prefix: &str| {
        [
            format!("--{prefix}trusted-ca-file={ca}"),
            format!("--{prefix}cert-file={certificate}"),
            format!("--{prefix}key-file={key}"),
            format!("--{prefix}client-cert-auth=true"),
        ]
    };
    [of(""), of("peer-")].concat()
}

/// How a client connects.
pub(super) fn options(folder: &Path) -> Result<ConnectOptions> {
    let file = |it| read(folder.join(it));
    let [ca, certificate, key] = FILES.map(file);
    let tls = TlsOptions::new()
        .ca_certificate(Certificate::from_pem(ca?))
        .identity(Identity::from_pem(certificate?, key?))
        .domain_name("127.0.0.1");
    Ok(ConnectOptions::new().with_tls(tls))
}

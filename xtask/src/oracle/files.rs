//! What the programs of a real Kubernetes read: certificates, tokens, kubeconfigs and configurations.

use std::fs;
use std::path::Path;

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair,
};

use super::node;
use super::programs::Archive;
use crate::images;

/// Where the inside has `target/oracle`.
pub(super) const INSIDE: &str = "/mnt/oracle";
/// The control plane's address there.
pub(super) const ADDRESS: &str = "172.31.0.1";

/// Names of the API server's certificate.
const NAMES: [&str; 8] = [
    "127.0.0.1",
    ADDRESS,
    "10.96.0.1",
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
];

/// Users of the API: the name of their kubeconfig, who they are, and their group.
const USERS: [(&str, &str, &str); 5] = [
    ("admin", "admin", "system:masters"),
    ("manager", "system:kube-controller-manager", ""),
    ("scheduler", "system:kube-scheduler", ""),
    ("proxy", "system:kube-proxy", ""),
    ("dns", "system:coredns", ""),
];

const COREFILE: &str = "cluster.local:53 in-addr.arpa:53 {
  bind 172.31.0.1
  errors
  kubernetes cluster.local in-addr.arpa {
    kubeconfig /mnt/oracle/dns.kubeconfig
  }
}
";

/// What every Kubernetes has from whoever installs it: rights for DNS, and a default storage class. Its volumes are
/// folders that the controller manager makes.
pub(super) const OBJECTS: &str = include_str!("objects.yaml");

/// Writes all of it. The API is reached on this port from outside.
pub(super) fn write(
    folder: &Path,
    (cgroup, nodes): (&str, u8),
    images: &[Archive],
    port: u16,
) -> Result<()> {
    for name in ["log", "etcd", "pki", "varlog", "tmp/hostpath_pv"] {
        fs::create_dir_all(folder.join(name))?;
    }
    let authority = certificates(&folder.join("pki"))?;
    let mut tokens = String::new();
    let of_nodes = (0..nodes)
        .map(|it| (node::name(it), format!("system:node:{}", node::name(it)), "system:nodes"));
    let users =
        USERS.iter().map(|(name, user, group)| ((*name).to_owned(), (*user).to_owned(), *group));
    for (name, user, group) in users.chain(of_nodes) {
        let token = images::sha256(&KeyPair::generate()?.serialize_der());
        tokens += &format!("{token},{user},{user},\"{group}\"\n");
        let server = format!("https://{ADDRESS}:6443");
        fs::write(
            folder.join(format!("{name}.kubeconfig")),
            kubeconfig(&server, &authority, &token),
        )?;
        if name == "admin" {
            let server = format!("https://127.0.0.1:{port}");
            fs::write(folder.join("kubeconfig"), kubeconfig(&server, &authority, &token))?;
        }
    }
    fs::write(folder.join("tokens.csv"), tokens)?;
    fs::write(folder.join("Corefile"), COREFILE)?;
    fs::write(folder.join("resolv.conf"), "")?;
    fs::write(folder.join("objects.yaml"), OBJECTS)?;
    let images = images.iter().map(|(name, path)| format!("{name} {}\n", path.display()));
    fs::write(folder.join("images"), images.collect::<String>())?;
    (0..nodes).try_for_each(|it| node::write(folder, it, cgroup))
}

/// One authority for everybody; gives its certificate.
fn certificates(folder: &Path) -> Result<String> {
    let key = KeyPair::generate()?;
    let mut params = named(vec![], &[(DnType::CommonName, "oracle")])?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key)?.pem();
    fs::write(folder.join("ca.crt"), &authority)?;
    let issuer = Issuer::new(params, key);
    let server = named(NAMES.map(str::to_owned).into(), &[(DnType::CommonName, "kube-apiserver")])?;
    let masters =
        [(DnType::OrganizationName, "system:masters"), (DnType::CommonName, "kube-apiserver")];
    let mut client = named(vec![], &masters)?;
    client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    for (name, params) in [("server", server), ("client", client)] {
        let key = KeyPair::generate()?;
        fs::write(folder.join(format!("{name}.crt")), params.signed_by(&key, &issuer)?.pem())?;
        fs::write(folder.join(format!("{name}.key")), key.serialize_pem())?;
    }
    let accounts = KeyPair::generate()?;
    fs::write(folder.join("accounts.key"), accounts.serialize_pem())?;
    fs::write(folder.join("accounts.pub"), accounts.public_key_pem())?;
    Ok(authority)
}

fn named(names: Vec<String>, subject: &[(DnType, &str)]) -> Result<CertificateParams> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    for (kind, value) in subject {
        params.distinguished_name.push(kind.clone(), *value);
    }
    Ok(params)
}

fn kubeconfig(server: &str, authority: &str, token: &str) -> String {
    let authority = authority.lines().collect::<Vec<_>>().join("\n").into_bytes();
    let authority = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, authority);
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: oracle\nclusters:\n- name: oracle\n  cluster:\n    \
         server: {server}\n    certificate-authority-data: {authority}\ncontexts:\n- name: oracle\n  context:\n    \
         cluster: oracle\n    user: oracle\nusers:\n- name: oracle\n  user:\n    token: {token}\n"
    )
}

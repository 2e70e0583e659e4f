//! TLS, as users declare it.

#![expect(
    unreachable_pub,
    reason = "the schema derive copies each struct, visibility included, into a function"
)]

use endstate_core::IssuerRef;
use endstate_core::tls::{Authorities, Given, Link, Naming, Source};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// TLS on each kind of connection. Each may be turned on and off while the cluster lives: members are changed one by
/// one, three times.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = (
    "![has(self.client) && has(self.client.certManager), has(self.peer) && has(self.peer.certManager)].exists(it, it) || !has(self.client) || !has(self.peer) || !has(self.client.serverSecret) || !has(self.peer.secret) || !(self.peer.secret in [self.client.serverSecret, self.client.operatorSecret])",
    "cert-manager puts one certificate into a secret: name another secret for members than for clients"
))]
pub struct Tls {
    /// From clients to members. A client must show a certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientTls>,
    /// Between members, with an authority of their own: a client's certificate makes nobody a member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<PeerTls>,
}

/// Where certificates come from.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq)]
pub enum Mode {
    /// The operator makes an authority and certificates, and renews them while members run.
    #[default]
    Managed,
    /// From secrets that you keep.
    Secrets,
    /// No TLS.
    Off,
}

/// cert-manager makes the certificates, and renews them. It has to be installed.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CertManager {
    /// Who signs. It must put its own authority, one for all, into the secrets as `ca.crt`: issuers of the types CA and
    /// Vault do. ACME does not; SelfSigned makes an authority for each secret, so it can only sign the one of an issuer
    /// of the type CA. With another issuer the way leads over the mode `Managed`.
    pub issuer_ref: Issuer,
}

/// An issuer of cert-manager's.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Issuer {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Its kind: `Issuer`, of the namespace of the cluster, or `ClusterIssuer`, or that of another program. Default
    /// `Issuer`.
    #[serde(default = "issuer")]
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
    /// The group of its kind. Default `cert-manager.io`.
    #[serde(default = "cert_manager")]
    #[schemars(length(min = 1, max = 253))]
    pub group: String,
}

fn issuer() -> String {
    IssuerRef::KIND.into()
}

fn cert_manager() -> String {
    IssuerRef::GROUP.into()
}

impl From<CertManager> for IssuerRef {
    fn from(it: CertManager) -> Self {
        let Issuer { name, kind, group } = it.issuer_ref;
        Self::new(name).of(&kind, &group)
    }
}

/// TLS from clients to members.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("self.mode == 'Secrets' ? has(self.serverSecret) && has(self.operatorSecret) : !has(self.serverSecret) && !has(self.operatorSecret)", "mode Secrets needs serverSecret and operatorSecret, and no other mode has them"),
    validation = ("self.mode != 'Off' || self.authority == 1", "without TLS there is no authority to count: remove authority"),
    validation = ("!has(self.certManager) || self.mode == 'Secrets' && (!has(self.serverSecret) || !has(self.operatorSecret) || self.serverSecret != self.operatorSecret)", "certManager fills two secrets: it needs the mode Secrets, and two names")
)]
pub struct ClientTls {
    /// `Managed`: the operator makes the certificates; those for clients are in the secret `NAME-client-tls`, and the
    /// authority alone is in the ConfigMap `NAME-client-ca`. `Secrets`: yours. `Off`: none. Default `Managed` for a new
    /// cluster; one that was created before stays as it is. From `Managed` to `Secrets` and
    /// back members are changed one by one, three times, and believe clients of both authorities while they are.
    #[serde(default)]
    pub mode: Mode,
    /// The secret with `tls.crt`, `tls.key` and `ca.crt` by which members serve. The certificate is for
    /// `*.NAME-peer.NAMESPACE.svc`, `NAME-client.NAMESPACE.svc`, `localhost` and `127.0.0.1`, for both ends of a
    /// connection. It may change at any time; `ca.crt` is read when a member starts, so count `authority` up with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub server_secret: Option<String>,
    /// The secret with `tls.crt`, `tls.key` and `ca.crt` by which the operator connects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub operator_secret: Option<String>,
    /// Has cert-manager fill both secrets, by objects `Certificate` of their names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_manager: Option<CertManager>,
    /// Counts authorities, from 1. `Managed`: one more makes another authority: members first trust both, then get
    /// certificates of the new one, then trust it alone; they are changed one by one for each. Clients have to trust
    /// both before the last. `Secrets`: another number starts members anew, one by one, and they read all files again.
    /// For another authority of yours count three times, each time when all members are updated: after both are in
    /// `ca.crt`; after the certificates are of the new one; after the new one is in `ca.crt` alone.
    #[serde(default = "first")]
    #[schemars(range(min = 1))]
    pub authority: u32,
}

/// TLS between members.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("(self.mode == 'Secrets') == has(self.secret)", "mode Secrets needs secret, and no other mode has it"),
    validation = ("self.mode != 'Off' || self.authority == 1", "without TLS there is no authority to count: remove authority"),
    validation = ("!has(self.certManager) || self.mode == 'Secrets'", "certManager fills your secret: it needs the mode Secrets")
)]
pub struct PeerTls {
    /// As for clients.
    #[serde(default)]
    pub mode: Mode,
    /// The secret with `tls.crt`, `tls.key` and `ca.crt` of members. The certificate is for
    /// `*.NAME-peer.NAMESPACE.svc`, for both ends of a connection, and for that name with the domain of your
    /// Kubernetes, because members ask the DNS for the name of whoever connects. Who has a certificate of that
    /// authority may be a member, so let it sign for nobody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub secret: Option<String>,
    /// Has cert-manager fill it, by an object `Certificate` of its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_manager: Option<CertManager>,
    /// Counts authorities, from 1, as for clients.
    #[serde(default = "first")]
    #[schemars(range(min = 1))]
    pub authority: u32,
}

fn first() -> u32 {
    1
}

impl From<Tls> for endstate_core::tls::Tls {
    fn from(it: Tls) -> Self {
        Self { client: it.client.map(Link::from), peer: it.peer.map(Link::from) }
    }
}

impl From<ClientTls> for Link {
    fn from(it: ClientTls) -> Self {
        let members = it.server_secret.unwrap_or_default();
        let operator = it.operator_secret.unwrap_or_default();
        link(it.mode, it.authority, (members, operator), it.cert_manager)
    }
}

impl From<PeerTls> for Link {
    fn from(it: PeerTls) -> Self {
        let secrets = (it.secret.unwrap_or_default(), String::new());
        link(it.mode, it.authority, secrets, it.cert_manager)
    }
}

fn link(
    mode: Mode,
    authority: u32,
    (members, operator): (String, String),
    issuer: Option<CertManager>,
) -> Link {
    let issuer = issuer.map(Into::into);
    match mode {
        Mode::Off => Link::Off,
        Mode::Managed => Link::On(Source::Managed(Authorities::only(authority))),
        Mode::Secrets => {
            let files = Naming::Usual;
            Link::On(Source::Secrets(Given { members, operator, files, issuer, authority }))
        }
    }
}

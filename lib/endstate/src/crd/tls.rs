//! TLS, as users declare it.

#![expect(
    unreachable_pub,
    reason = "the schema derive copies each struct, visibility included, into a function"
)]

use endstate_core::tls::{Authorities, Given, Link, Naming, Source};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// TLS on each kind of connection. Each may be turned on and off while the cluster lives: members are changed one by
/// one, three times.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
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

/// TLS from clients to members.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("self.mode == 'Secrets' ? has(self.serverSecret) && has(self.operatorSecret) : !has(self.serverSecret) && !has(self.operatorSecret)", "mode Secrets needs serverSecret and operatorSecret, and no other mode has them"),
    validation = ("self.mode == 'Managed' || self.authority == 1", "only the mode Managed has an authority of its own: remove authority")
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
    /// connection. It may change at any time; `ca.crt` is read when a member starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub server_secret: Option<String>,
    /// The secret with `tls.crt`, `tls.key` and `ca.crt` by which the operator connects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub operator_secret: Option<String>,
    /// Counts the operator's authorities, from 1. One more makes another authority: members first trust both, then get
    /// certificates of the new one, then trust it alone; they are changed one by one for each. Clients have to trust
    /// both before the last.
    #[serde(default = "first")]
    #[schemars(range(min = 1))]
    pub authority: u32,
}

/// TLS between members.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("(self.mode == 'Secrets') == has(self.secret)", "mode Secrets needs secret, and no other mode has it"),
    validation = ("self.mode == 'Managed' || self.authority == 1", "only the mode Managed has an authority of its own: remove authority")
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
    /// Counts the operator's authorities, from 1, as for clients.
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
        let secrets = (it.server_secret, it.operator_secret);
        link(it.mode, it.authority, (secrets.0.unwrap_or_default(), secrets.1.unwrap_or_default()))
    }
}

impl From<PeerTls> for Link {
    fn from(it: PeerTls) -> Self {
        link(it.mode, it.authority, (it.secret.unwrap_or_default(), String::new()))
    }
}

fn link(mode: Mode, authority: u32, (members, operator): (String, String)) -> Link {
    match mode {
        Mode::Off => Link::Off,
        Mode::Managed => Link::On(Source::Managed(Authorities::only(authority))),
        Mode::Secrets => {
            Link::On(Source::Secrets(Given { members, operator, files: Naming::Usual }))
        }
    }
}

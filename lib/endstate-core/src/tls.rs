//! TLS, to clients and between members: where certificates come from, and how a cluster that lives gets it or loses it.
//!
//! Both kinds of connections have three levels, and members of neighbouring levels work together; so a cluster goes
//! from one to the next as a whole. That is what an application promises that uses this: its client port serves both
//! ways if both are asked for, and a member with certificates dials members of both kinds.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::certificates::{Certificate, Usage};
use crate::identity::Identity;
use crate::launch::SecretFiles;
use crate::objects::{client_service, peer_service};
use crate::problem::Problem;

/// TLS on each kind of connection; `None` where the spec leaves it open.
///
/// ```
/// use endstate_core::tls::Tls;
/// let chosen = Tls::default().settle(None);
/// assert!(chosen.client().is_on() && chosen.peer().is_on(), "a new cluster has it");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tls {
    /// From clients to members.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<Link>,
    /// Between members.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<Link>,
}

/// One kind of connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Link {
    /// In plain.
    Off,
    /// Members have certificates. They serve clients in plain and with TLS, and peers in plain.
    Ready(Source),
    /// With TLS on both ends.
    On(Source),
}

/// Where certificates come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Source {
    /// The operator makes them.
    Managed(Authorities),
    /// The user's secrets.
    Secrets {
        /// That of members.
        members: String,
        /// That of the operator, by which it talks to members; empty between members.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        operator: String,
        /// How the files in them are called.
        #[serde(default)]
        files: Naming,
    },
}

/// The authorities of the operator's own, counted from 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Authorities {
    /// Which one signs.
    pub signs: u32,
    /// Which are trusted: more than one while another takes over.
    pub trusted: BTreeSet<u32>,
}

impl Authorities {
    /// This one alone.
    pub fn only(number: u32) -> Self {
        Self { signs: number, trusted: [number].into() }
    }

    /// The next on the way: first both are trusted, then the new one signs, then it alone is trusted. A process reads
    /// whom it trusts when it starts, so members are started anew for each.
    fn toward(&self, running: &[&Self], to: &Self) -> Self {
        let all: BTreeSet<_> = running.iter().flat_map(|it| &it.trusted).copied().collect();
        if !running.iter().all(|it| it.trusted.contains(&to.signs)) {
            let trusted = all.into_iter().chain([to.signs]).collect();
            Self { signs: self.signs, trusted }
        } else if running.iter().any(|it| it.signs != to.signs) {
            Self { signs: to.signs, trusted: all }
        } else {
            to.clone()
        }
    }
}

/// How the files in a user's secrets are called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Naming {
    /// `tls.crt`, `tls.key` and `ca.crt`.
    #[default]
    Usual,
    /// As operators of before had them: `server.crt`, `peer-ca.crt`, and the operator's `APPLICATION-client.key`.
    Historical,
}

/// Whose certificate it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A member, for its clients.
    Server,
    /// A member, for the others.
    Peer,
    /// The operator.
    Operator,
}

/// A secret and the names of the files in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The secret.
    pub secret: String,
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
    /// The authorities that are trusted.
    pub authorities: String,
}

impl Link {
    /// With certificates of the operator's own making.
    pub fn managed() -> Self {
        Self::On(Source::Managed(Authorities::only(1)))
    }

    /// Whether only TLS is spoken.
    pub fn is_on(&self) -> bool {
        matches!(self, Self::On(_))
    }

    /// Where the certificates come from, if there are any.
    pub fn source(&self) -> Option<&Source> {
        match self {
            Self::Off => None,
            Self::Ready(source) | Self::On(source) => Some(source),
        }
    }

    fn authorities(&self) -> Option<&Authorities> {
        match self.source()? {
            Source::Managed(authorities) => Some(authorities),
            Source::Secrets { .. } => None,
        }
    }

    fn level(&self) -> u8 {
        match self {
            Self::Off => 0,
            Self::Ready(_) => 1,
            Self::On(_) => 2,
        }
    }

    /// The next on the way from what runs, the one in force first.
    pub fn toward(running: &[&Self], to: &Self) -> Self {
        let levels = || running.iter().map(|it| it.level());
        let (Some(lowest), Some(highest)) = (levels().min(), levels().max()) else {
            return to.clone();
        };
        let level = to.level().clamp(highest.saturating_sub(1), lowest + 1);
        let old = running.iter().find_map(|it| it.source());
        let Some(source) = to.source().or(old) else { return Self::Off };
        let managed: Vec<_> = running.iter().filter_map(|it| it.authorities()).collect();
        let source = match (source, managed.first()) {
            (Source::Managed(to), Some(now)) => Source::Managed(now.toward(&managed, to)),
            (source, _) => source.clone(),
        };
        match level {
            0 => Self::Off,
            1 => Self::Ready(source),
            _ => Self::On(source),
        }
    }

    /// Why one cannot become the other.
    pub fn refuses(old: &Self, new: &Self, field: &str) -> Option<Problem> {
        let (Some(old), Some(new)) = (old.source(), new.source()) else { return None };
        match (old, new) {
            (Source::Managed(old), Source::Managed(new)) => {
                let next = [old.signs, old.signs + 1].contains(&new.signs);
                let why =
                    "may only go up by one: members trust the old and the new one for a while";
                (!next).then(|| Problem::refused(format!("{field}.authority"), why))
            }
            (old, new) if old == new => None,
            _ => {
                let why = "cannot be changed while TLS is on, because members would not trust each \
                           other: set the mode to Off, wait until all members are updated, then set this";
                Some(Problem::refused(field, why))
            }
        }
    }

    /// The files of a holder, if there are certificates.
    pub fn files(&self, application: &str, object: &Identity, holder: Holder) -> Option<Files> {
        let (secret, naming) = match self.source()? {
            Source::Managed(_) => (secret(&object.name, holder.name()), Naming::Usual),
            Source::Secrets { members, operator, files } => {
                let name = if holder == Holder::Operator { operator } else { members };
                (name.clone(), *files)
            }
        };
        let [certificate, key, authorities] = match (naming, holder) {
            (Naming::Usual, _) => ["tls.crt", "tls.key", "ca.crt"].map(str::to_owned),
            (Naming::Historical, Holder::Operator) => named(&format!("{application}-client")),
            (Naming::Historical, holder) => named(holder.name()),
        };
        Some(Files { secret, certificate, key, authorities })
    }
}

/// A certificate, its key and the authorities, by what their names begin with.
fn named(prefix: &str) -> [String; 3] {
    [format!("{prefix}.crt"), format!("{prefix}.key"), format!("{prefix}-ca.crt")]
}

impl Holder {
    fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Peer => "peer",
            Self::Operator => "operator",
        }
    }

    /// Where a member of an application finds its files.
    pub fn folder(self, application: &str) -> String {
        format!("/etc/{application}/{}", self.name())
    }
}

impl Files {
    /// As files of a member's.
    pub fn mounted(&self, application: &str, holder: Holder) -> SecretFiles {
        let (name, folder) = (format!("{}-tls", holder.name()), holder.folder(application));
        SecretFiles::new(name, self.secret.clone(), folder)
    }
}

impl Tls {
    /// From clients to members. What is left open is off.
    pub fn client(&self) -> &Link {
        self.client.as_ref().unwrap_or(&Link::Off)
    }

    /// Between members. What is left open is off.
    pub fn peer(&self) -> &Link {
        self.peer.as_ref().unwrap_or(&Link::Off)
    }

    /// With every choice made: a new cluster has certificates of the operator's making, one that was accepted before
    /// stays as it is.
    pub fn settle(&self, accepted: Option<&Self>) -> Self {
        let settle = |said: &Option<Link>, before: Option<&Link>| {
            Some(said.clone().unwrap_or_else(|| before.cloned().unwrap_or_else(Link::managed)))
        };
        Self {
            client: settle(&self.client, accepted.map(Self::client)),
            peer: settle(&self.peer, accepted.map(Self::peer)),
        }
    }

    /// The next on the way from what runs, the one in force first.
    pub fn toward(running: &[&Self], to: &Self) -> Self {
        let next = |of: fn(&Self) -> &Link| {
            Some(Link::toward(&running.iter().map(|it| of(it)).collect::<Vec<_>>(), of(to)))
        };
        Self { client: next(Self::client), peer: next(Self::peer) }
    }

    /// Why one cannot become the other.
    pub fn refuses(old: &Self, new: &Self) -> Option<Problem> {
        Link::refuses(old.client(), new.client(), "spec.tls.client")
            .or_else(|| Link::refuses(old.peer(), new.peer(), "spec.tls.peer"))
    }

    /// The map with the certificates of the authorities that clients trust, and the secrets of these; nothing where the
    /// operator does not make them.
    pub fn trust(&self, object: &Identity) -> Option<(String, Vec<String>)> {
        let authorities = authorities(object, "client", self.client().authorities()?);
        Some((format!("{}-client-ca", object.name), authorities))
    }

    /// Which authorities of the operator's a member is started with, where others have signed before or are trusted
    /// beside.
    pub fn generation(&self) -> Option<String> {
        let links = [("client", self.client()), ("peer", self.peer())];
        let told = links.iter().filter_map(|(name, link)| {
            let it = link.authorities().filter(|it| **it != Authorities::only(1))?;
            Some(format!("{name}: {} of {:?}", it.signs, it.trusted))
        });
        let told: Vec<_> = told.collect();
        (!told.is_empty()).then(|| told.join(", "))
    }

    /// The certificates of the operator's own making. Clients and members have authorities of their own: who may
    /// connect as a client is no member. The operator's names `operator`, which applications with users take for its
    /// user.
    pub fn certificates(&self, object: &Identity, operator: &str) -> Vec<Certificate> {
        let mut certificates = vec![];
        if let Some(authorities) = self.client().authorities() {
            let signed = Signed::new(object, "client", authorities);
            certificates.extend(signed.authorities());
            certificates.push(signed.leaf("server", "server").named(names(object)));
            certificates.push(signed.leaf("operator", operator).for_use([Usage::Client]));
            certificates.push(signed.leaf("client", "client").for_use([Usage::Client]));
        }
        if let Some(authorities) = self.peer().authorities() {
            let signed = Signed::new(object, "peer", authorities);
            certificates.extend(signed.authorities());
            certificates.push(signed.leaf("peer", "peer").named(names(object)));
        }
        certificates
    }
}

/// The secret of a certificate, or of an authority by its number.
fn secret(cluster: &str, name: &str) -> String {
    format!("{cluster}-{name}-tls")
}

fn authorities(object: &Identity, of: &str, authorities: &Authorities) -> Vec<String> {
    authorities.trusted.iter().map(|it| format!("{}-{of}-ca-{it}", object.name)).collect()
}

/// What authorities of one kind sign.
struct Signed<'a> {
    object: &'a Identity,
    trusted: Vec<String>,
    signs: String,
}

impl<'a> Signed<'a> {
    fn new(object: &'a Identity, of: &str, authorities: &Authorities) -> Self {
        let signs = format!("{}-{of}-ca-{}", object.name, authorities.signs);
        Self { object, trusted: self::authorities(object, of, authorities), signs }
    }

    fn authorities(&self) -> impl Iterator<Item = Certificate> {
        self.trusted.iter().map(Certificate::authority)
    }

    /// A certificate for both ends of a connection: a member may connect to itself with the one that it serves with.
    fn leaf(&self, name: &str, common_name: &str) -> Certificate {
        Certificate::signed_by(&self.signs, secret(&self.object.name, name))
            .trusting(self.trusted.clone())
            .of(common_name)
            .for_use([Usage::Server, Usage::Client])
    }
}

/// By what names members are found: all of them, so that new ones need no other certificate.
fn names(object: &Identity) -> Vec<String> {
    let (name, namespace) = (&object.name, &object.namespace);
    let (client, peer) = (client_service(name), peer_service(name));
    vec![
        format!("*.{peer}.{namespace}.svc"),
        format!("*.{peer}.{namespace}.svc.cluster.local"),
        client.clone(),
        format!("{client}.{namespace}"),
        format!("{client}.{namespace}.svc"),
        format!("{client}.{namespace}.svc.cluster.local"),
        "localhost".into(),
        "127.0.0.1".into(),
        "::1".into(),
    ]
}

#[cfg(test)]
mod tests;

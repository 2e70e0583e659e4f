//! TLS, to clients and between members: where certificates come from, and how a cluster that lives gets it or loses it.
//!
//! Both kinds of connections have three levels, and members of neighbouring levels work together; so a cluster goes
//! from one to the next as a whole. That is what an application promises that uses this: its client port serves both
//! ways if both are asked for, and a member with certificates dials members of both kinds.

use serde::{Deserialize, Serialize};

use crate::certificates::{Bundle, Certificate, GivenFiles, Trusted, Usage};
use crate::identity::Identity;
use crate::launch::SecretFiles;
use crate::objects::{client_service, peer_service};
use crate::problem::Problem;

mod source;

pub use source::{Authorities, Given, Naming, Shown, Source};

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
    /// Where these are, if not in the same secret.
    pub elsewhere: Option<Bundle>,
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
        let sources: Vec<_> = running.iter().filter_map(|it| it.source()).collect();
        let source = Source::toward(&sources, source);
        match level {
            0 => Self::Off,
            1 => Self::Ready(source),
            _ => Self::On(source),
        }
    }

    /// Why one cannot become the other.
    pub fn refuses(old: &Self, new: &Self, field: &str) -> Option<Problem> {
        let (old, new) = (old.source()?, new.source()?);
        if let (Some(old), Some(new)) = (old.managed(), new.managed()) {
            let next = [old.signs, old.signs + 1].contains(&new.signs);
            let why = "may only go up by one: members trust the old and the new one for a while";
            return (!next).then(|| Problem::refused(format!("{field}.authority"), why));
        }
        let (old, new) = (old.given()?, new.given()?);
        let why = "names another secret, or another issuer of what is in it, and members cannot trust both: set the \
                   mode to Managed, wait until all members are updated, then set this";
        (!old.believes(new)).then(|| Problem::refused(field, why))
    }

    /// The files of a holder, if there are certificates.
    pub fn files(&self, application: &str, object: &Identity, holder: Holder) -> Option<Files> {
        let source = self.source()?;
        let own = Files::usual(secret(&object.name, holder.name()));
        let given = source.given().filter(|_| source.shown() == Shown::Given);
        let Some(given) = given else { return Some(own) };
        let elsewhere = Bundle { secret: own.secret, key: own.authorities };
        let files = Files::given(given, application, holder);
        Some(Files { elsewhere: source.managed().map(|_| elsewhere), ..files })
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
    fn usual(secret: String) -> Self {
        let [certificate, key, authorities] = ["tls.crt", "tls.key", "ca.crt"].map(str::to_owned);
        Self { secret, certificate, key, authorities, elsewhere: None }
    }

    fn given(given: &Given, application: &str, holder: Holder) -> Self {
        let is_operator = holder == Holder::Operator;
        let secret = if is_operator { &given.operator } else { &given.members };
        let [certificate, key, authorities] = match (given.files, holder) {
            (Naming::Usual, _) => return Self::usual(secret.clone()),
            (Naming::Historical, Holder::Operator) => named(&format!("{application}-client")),
            (Naming::Historical, holder) => named(holder.name()),
        };
        Self { secret: secret.clone(), certificate, key, authorities, elsewhere: None }
    }

    /// The secrets that hold them.
    pub fn secrets(self) -> impl Iterator<Item = String> {
        [self.secret].into_iter().chain(self.elsewhere.map(|it| it.secret))
    }

    /// As files of a member's.
    pub fn mounted(&self, application: &str, holder: Holder) -> SecretFiles {
        let (name, folder) = (format!("{}-tls", holder.name()), holder.folder(application));
        let files = SecretFiles::new(name, self.secret.clone(), folder);
        match &self.elsewhere {
            Some(it) => {
                let keys = [self.certificate.clone(), self.key.clone()];
                files.only(keys).with(it.clone(), self.authorities.clone())
            }
            None => files,
        }
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

    /// The files of a member, by whose they are: for its clients and for the others, where there are certificates.
    pub fn of_member(&self, application: &str, object: &Identity) -> Vec<(Holder, Files)> {
        let links = [(self.client(), Holder::Server), (self.peer(), Holder::Peer)];
        let files =
            |(link, holder): (&Link, _)| Some((holder, link.files(application, object, holder)?));
        links.into_iter().filter_map(files).collect()
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

    /// Why a user's secrets cannot be called so: a name is one of the operator's own secrets, which whoever runs may
    /// still need; or one secret would have to hold two certificates of cert-manager's.
    pub fn problems(&self, object: &Identity) -> Vec<Problem> {
        let links = [("spec.tls.client", self.client()), ("spec.tls.peer", self.peer())];
        let given =
            links.into_iter().filter_map(|(field, it)| Some((field, it.source()?.given()?)));
        let given: Vec<_> = given.collect();
        let owned = given.iter().filter_map(|(field, it)| {
            let name = it.secrets().find(|name| is_own(&object.name, name, it.issuer.is_some()))?;
            let why = format!("{name} is the name of a secret of the operator's own: name another");
            Some(Problem::refused(*field, why))
        });
        let all = || given.iter().flat_map(|(_, it)| it.secrets());
        let twice = |it: &&str| all().filter(|other| other == it).count() > 1;
        let requested = given.iter().filter(|(_, it)| it.issuer.is_some());
        let shared = requested.filter_map(|(field, it)| {
            let name = it.secrets().find(twice)?;
            let why = format!("cert-manager puts one certificate into a secret: name {name} once");
            Some(Problem::refused(*field, why))
        });
        owned.chain(shared).collect()
    }

    /// The map with the certificates of the authorities that clients trust, and where these are; nothing where the
    /// operator does not make them.
    pub fn trust(&self, object: &Identity) -> Option<(String, Vec<Trusted>)> {
        let signed = Signed::new(object, "client", self.client().source()?, Holder::Server)?;
        Some((format!("{}-client-ca", object.name), signed.trusted))
    }

    /// Which authorities a member is started with, where others have signed before or are trusted beside.
    pub fn generation(&self) -> Option<String> {
        let links = [("client", self.client()), ("peer", self.peer())];
        let told = links.iter().filter_map(|(name, link)| {
            let told = link.source()?.told()?;
            Some(format!("{name}: {told}"))
        });
        let told: Vec<_> = told.collect();
        (!told.is_empty()).then(|| told.join(", "))
    }

    /// The certificates of the operator's own making, and those of the user's. Clients and members have authorities of
    /// their own: who may connect as a client is no member. The operator's names `operator`, which applications with
    /// users take for its user.
    pub fn certificates(&self, object: &Identity, operator: &str) -> Vec<Certificate> {
        let mut certificates = vec![];
        let client = |it: &Source| Signed::new(object, "client", it, Holder::Server);
        if let Some(signed) = self.client().source().and_then(client) {
            certificates.extend(signed.authorities());
            certificates.push(signed.leaf("server", "server").named(names(object)));
            certificates.push(signed.leaf("operator", operator).for_use([Usage::Client]));
            certificates.push(signed.leaf("client", "client").for_use([Usage::Client]));
        }
        let peer = |it: &Source| Signed::new(object, "peer", it, Holder::Peer);
        if let Some(signed) = self.peer().source().and_then(peer) {
            certificates.extend(signed.authorities());
            certificates.push(signed.leaf("peer", "peer").named(names(object)));
        }
        let links = [(self.client(), Holder::Server), (self.peer(), Holder::Peer)];
        let given = links.into_iter().filter_map(|(link, holder)| Some((link.source()?, holder)));
        let given = given.flat_map(|(source, holder)| given_by((object, operator), source, holder));
        certificates.extend(given);
        certificates
    }
}

/// The certificates that a user keeps for members, who connect to each other and to themselves, and for the operator.
/// What the operator's files are called is the application's to say where they have historical names. What cert-manager
/// is asked for has all names.
fn given_by(
    (object, operator): (&Identity, &str),
    source: &Source,
    holder: Holder,
) -> Vec<Certificate> {
    let Some(given) = source.given() else { return vec![] };
    let certificate = |holder| {
        let files = Files::given(given, "", holder);
        let (certificate, key, authorities) = (files.certificate, files.key, files.authorities);
        let certificate =
            Certificate::given(files.secret, GivenFiles { certificate, key, authorities });
        Certificate { requested: given.issuer.clone(), ..certificate }
    };
    let names = if given.issuer.is_some() { names(object) } else { vec![object.host("*")] };
    let members = certificate(holder).of(holder.name()).named(names);
    let members = members.for_use([Usage::Server, Usage::Client]);
    let has_operator = !given.operator.is_empty() && given.files == Naming::Usual;
    if !has_operator || given.operator == given.members {
        let operator = || certificate(Holder::Operator).of(operator).for_use([Usage::Client]);
        return [members].into_iter().chain(has_operator.then(operator)).collect();
    }
    // Each has to believe the other.
    let [of_members, of_operator] = [holder, Holder::Operator].map(|it| {
        let files = Files::given(given, "", it);
        Bundle::new(files.secret, files.authorities)
    });
    let operator = certificate(Holder::Operator).of(operator).for_use([Usage::Client]);
    vec![members.believed_by([of_operator]), operator.believed_by([of_members])]
}

/// The secret with the certificate for clients.
pub(crate) fn client_secret(object: &Identity) -> String {
    secret(&object.name, "client")
}

/// The secret of a certificate, or of an authority by its number.
fn secret(cluster: &str, name: &str) -> String {
    format!("{cluster}-{name}-tls")
}

/// What the secrets of all authorities of one kind begin with.
fn authority(cluster: &str, of: &str) -> String {
    format!("{cluster}-{of}-ca-")
}

fn authorities(object: &Identity, of: &str, authorities: &Authorities) -> Vec<String> {
    let prefix = authority(&object.name, of);
    authorities.trusted.iter().map(|it| format!("{prefix}{it}")).collect()
}

/// Whether a secret of this name is the operator's. One that is only read may be called as a certificate of the
/// operator's, which makes none there; one that is written may not, nor as that of a user of the application.
fn is_own(cluster: &str, name: &str, written: bool) -> bool {
    let number = |of: &str| name.strip_prefix(&authority(cluster, of))?.parse::<u32>().ok();
    let authority = ["client", "peer"].into_iter().any(|it| number(it).is_some());
    let leaves = ["server", "operator", "client", "peer"].map(|it| secret(cluster, it));
    let users = format!("{}-", secret(cluster, "client"));
    authority || written && (leaves.iter().any(|it| *it == *name) || name.starts_with(&users))
}

/// What authorities of one kind sign.
struct Signed<'a> {
    object: &'a Identity,
    authorities: Vec<String>,
    trusted: Vec<Trusted>,
    signs: String,
}

impl<'a> Signed<'a> {
    /// Members of whom the holder is one trust what is in a user's secret, too, if that takes over.
    fn new(object: &'a Identity, of: &str, source: &Source, holder: Holder) -> Option<Self> {
        let managed = source.managed()?;
        let signs = format!("{}{}", authority(&object.name, of), managed.signs);
        let authorities = authorities(object, of, managed);
        let given = source.given().map(|it| Files::given(it, "", holder));
        let given = given.map(|it| Trusted::Given(Bundle::new(it.secret, it.authorities)));
        let trusted = authorities.iter().cloned().map(Trusted::from).chain(given).collect();
        Some(Self { object, authorities, trusted, signs })
    }

    fn authorities(&self) -> impl Iterator<Item = Certificate> {
        self.authorities.iter().map(Certificate::authority)
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

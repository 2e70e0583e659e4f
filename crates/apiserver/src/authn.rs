//! Who asks.
//!
//! A request is whoever its connection is (client certificate, or the identity fixed for a socket). On a connection
//! without an identity it is whoever its bearer token names, or nobody. For whom it may then speak is asked in
//! [`crate::impersonate`].
//!
//! Invariants: where a token counts, a wrong one is refused and never taken for none; a token is good only while the
//! account, and the pod or secret it is bound to, exist under the uids it names.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use jiff::{SignedDuration, Timestamp};
use machinery::error::ApiError;
use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};
use store::{Key, Store};

use crate::encode;
use crate::token::{Claims, ISSUER, Reference, TokenKey};

const MASTERS: &str = "system:masters";
pub(crate) const AUTHENTICATED: &str = "system:authenticated";
pub(crate) const UNAUTHENTICATED: &str = "system:unauthenticated";
pub(crate) const ANONYMOUS: &str = "system:anonymous";
/// How the user names of service accounts begin.
const ACCOUNT: &str = "system:serviceaccount:";
/// The parts of the control plane. They are not called as upstream's, whose default roles have more than these use.
pub(crate) const CONTROLLERS: &str = "system:endstate:controllers";
pub(crate) const SCHEDULER: &str = "system:endstate:scheduler";
/// The group of nodes, and how their user names begin.
pub(crate) const NODES: &str = "system:nodes";
const NODE: &str = "system:node:";
/// In the extra values of a process that runs more than one node: their names.
const NODES_RUN: &str = "endstate.dev/nodes";
/// How long the token of what is being deleted is good after the time by which that should have ended.
const LEEWAY: SignedDuration = SignedDuration::from_secs(60);

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub user: String,
    pub uid: String,
    pub groups: Vec<String>,
    pub extra: Vec<(String, Vec<String>)>,
}

impl Identity {
    pub fn new(user: &str, groups: &[&str]) -> Self {
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        Self { user: user.to_owned(), uid: String::new(), groups, extra: Vec::new() }
    }

    /// An administrator: may do everything.
    pub fn masters(user: &str) -> Self {
        Self::new(user, &[MASTERS, AUTHENTICATED])
    }

    /// The identity of the controllers.
    pub fn controllers() -> Self {
        Self::new(CONTROLLERS, &[AUTHENTICATED])
    }

    /// The identity of the scheduler.
    pub fn scheduler() -> Self {
        Self::new(SCHEDULER, &[AUTHENTICATED])
    }

    /// The identity of a process that runs these nodes.
    pub fn nodes_of(process: &str, nodes: Vec<String>) -> Self {
        let identity = Self::new(&format!("{NODE}{process}"), &[NODES, AUTHENTICATED]);
        Self { extra: vec![(NODES_RUN.to_owned(), nodes)], ..identity }
    }

    /// The nodes that whoever asks runs: the one of its name, and those that its connection says.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = &str> {
        let run = self.extra.iter().filter(|(key, _)| key == NODES_RUN).flat_map(|(_, it)| it);
        self.user.strip_prefix(NODE).into_iter().chain(run.map(String::as_str))
    }

    pub(crate) fn is_node(&self) -> bool {
        self.groups.iter().any(|group| group == NODES)
    }

    pub(crate) fn anonymous() -> Self {
        Self::new(ANONYMOUS, &[UNAUTHENTICATED])
    }

    pub(crate) fn is_master(&self) -> bool {
        self.groups.iter().any(|group| group == MASTERS)
    }

    /// The `UserInfo` of reviews.
    pub(crate) fn to_value(&self) -> Value {
        let mut info = json!({"username": self.user, "groups": self.groups});
        if !self.uid.is_empty() {
            info["uid"] = self.uid.clone().into();
        }
        if !self.extra.is_empty() {
            let extra = self.extra.iter().map(|(key, values)| (key.clone(), json!(values)));
            info["extra"] = Value::Object(extra.collect());
        }
        info
    }
}

/// The identity in a client certificate that TLS has verified: common name and organizations.
pub(crate) fn from_certificate(certificate: &CertificateDer<'_>) -> Option<Identity> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let subject = certificate.subject();
    let user = subject.iter_common_name().next()?.as_str().ok()?.to_owned();
    let mut groups: Vec<String> = subject
        .iter_organization()
        .filter_map(|group| group.as_str().ok().map(str::to_owned))
        .collect();
    groups.push(AUTHENTICATED.to_owned());
    Some(Identity { user, uid: String::new(), groups, extra: Vec::new() })
}

/// What it takes to check tokens.
pub(crate) struct Authenticator<'a> {
    pub(crate) store: &'a dyn Store,
    pub(crate) key: &'a TokenKey,
    pub(crate) now: Timestamp,
}

impl Authenticator<'_> {
    /// The identity of a request: its connection's, else its bearer token's, else anonymous.
    pub(crate) async fn identify(
        &self,
        headers: &HeaderMap,
        connection: Option<&Identity>,
    ) -> Result<Identity, ApiError> {
        match (connection, bearer(headers)) {
            (Some(identity), _) => Ok(identity.clone()),
            (None, Some(token)) => {
                // A token for another audience is good there and nowhere else.
                let found = self.token(token).await?;
                let ours = found.filter(|(claims, _)| claims.aud.iter().any(|it| it == ISSUER));
                Ok(ours.ok_or_else(ApiError::unauthorized)?.1)
            }
            (None, None) if headers.contains_key(AUTHORIZATION) => Err(ApiError::unauthorized()),
            (None, None) => Ok(Identity::anonymous()),
        }
    }

    /// The claims and the identity of a token; `None` if it is not good.
    pub(crate) async fn token(&self, token: &str) -> Result<Option<(Claims, Identity)>, ApiError> {
        let Some(claims) = self.key.verify(token, self.now.as_second()) else { return Ok(None) };
        let bound = &claims.bound;
        let namespace = Some(bound.namespace.as_str());
        // The node of a pod's token is told, not asked for: the pod is gone when its node is.
        let node = bound.node.as_ref().filter(|_| bound.pod.is_none());
        let references = [
            ("serviceaccounts", namespace, Some(&bound.serviceaccount)),
            ("pods", namespace, bound.pod.as_ref()),
            ("secrets", namespace, bound.secret.as_ref()),
            ("nodes", None, node),
        ];
        for (plural, namespace, reference) in references {
            if let Some(reference) = reference
                && !self.is_there(plural, namespace, reference).await?
            {
                return Ok(None);
            }
        }
        let identity = account_identity(&claims);
        Ok(Some((claims, identity)))
    }

    /// Whether an object exists, under the uid that it was given, and is not long on its way out.
    async fn is_there(
        &self,
        plural: &str,
        namespace: Option<&str>,
        reference: &Reference,
    ) -> Result<bool, ApiError> {
        let segments: Vec<&str> = ["core", plural]
            .into_iter()
            .chain(namespace)
            .chain([reference.name.as_str()])
            .collect();
        let Some(key) = Key::new(&segments) else { return Ok(false) };
        let object = self.store.get(&key).await.map_err(crate::errors::store)?;
        let Some(object) = object else { return Ok(false) };
        let metadata = &encode::parse(&object)?["metadata"];
        let deleted = metadata["deletionTimestamp"].as_str().and_then(|it| it.parse().ok());
        let gone = deleted.is_some_and(|end: Timestamp| self.now.duration_since(end) > LEEWAY);
        Ok(!gone && metadata["uid"] == reference.uid.as_str())
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

fn account_identity(claims: &Claims) -> Identity {
    let bound = &claims.bound;
    let mut extra = vec![(
        "authentication.kubernetes.io/credential-id".into(),
        vec![format!("JTI={}", claims.jti)],
    )];
    for (kind, reference) in [("node", &bound.node), ("pod", &bound.pod)] {
        let Some(Reference { name, uid }) = reference else { continue };
        let key = |part: &str| format!("authentication.kubernetes.io/{kind}-{part}");
        extra.push((key("name"), vec![name.clone()]));
        if !uid.is_empty() {
            extra.push((key("uid"), vec![uid.clone()]));
        }
    }
    let mut groups = account_groups(&bound.namespace);
    groups.push(AUTHENTICATED.into());
    Identity {
        user: format!("{ACCOUNT}{}:{}", bound.namespace, bound.serviceaccount.name),
        uid: bound.serviceaccount.uid.clone(),
        groups,
        extra,
    }
}

/// The groups of every service account of a namespace.
pub(crate) fn account_groups(namespace: &str) -> Vec<String> {
    vec!["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")]
}

/// Namespace and name of the service account that a user name is that of.
pub(crate) fn account_of(user: &str) -> Option<(&str, &str)> {
    let (namespace, name) = user.strip_prefix(ACCOUNT)?.split_once(':')?;
    let valid = |it: &str| !it.is_empty() && !it.contains(':');
    (valid(namespace) && valid(name)).then_some((namespace, name))
}

//! Who asks.
//!
//! A request is whoever its connection is (client certificate, or the identity fixed for a socket). On a connection
//! without an identity it is whoever its bearer token names, or nobody. A member of `system:masters` may then speak for
//! somebody else.
//!
//! Invariants: where a token counts, a wrong one is refused and never taken for none; a token is good only while the
//! account, and the pod or secret it is bound to, exist under the uids it names.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use jiff::Timestamp;
use machinery::error::ApiError;
use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};
use store::{Key, Store};

use crate::encode;
use crate::token::{Claims, ISSUER, Reference, TokenKey};

const MASTERS: &str = "system:masters";
const AUTHENTICATED: &str = "system:authenticated";
const ANONYMOUS: &str = "system:anonymous";

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub user: String,
    pub uid: String,
    pub groups: Vec<String>,
    pub extra: Vec<(String, Vec<String>)>,
}

impl Identity {
    pub fn new(user: &str, groups: &[&str]) -> Identity {
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        Identity { user: user.to_owned(), uid: String::new(), groups, extra: Vec::new() }
    }

    /// The identity of the parts of the control plane: may do everything.
    pub fn masters(user: &str) -> Identity {
        Identity::new(user, &[MASTERS, AUTHENTICATED])
    }

    pub(crate) fn anonymous() -> Identity {
        Identity::new(ANONYMOUS, &["system:unauthenticated"])
    }

    pub(crate) fn is_anonymous(&self) -> bool {
        self.user == ANONYMOUS
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
    /// The identity of a request: its bearer token's, else its connection's, else anonymous; then whoever it
    /// impersonates.
    pub(crate) async fn identify(
        &self,
        headers: &HeaderMap,
        connection: Option<&Identity>,
    ) -> Result<Identity, ApiError> {
        let identity = match (connection, bearer(headers)) {
            (Some(identity), _) => identity.clone(),
            (None, Some(token)) => {
                // A token for another audience is good there and nowhere else.
                let found = self.token(token).await?;
                let ours = found.filter(|(claims, _)| claims.aud.iter().any(|it| it == ISSUER));
                ours.ok_or_else(ApiError::unauthorized)?.1
            }
            (None, None) if headers.contains_key(AUTHORIZATION) => {
                return Err(ApiError::unauthorized());
            }
            (None, None) => Identity::anonymous(),
        };
        impersonated(headers, identity)
    }

    /// The claims and the identity of a token; `None` if it is not good.
    pub(crate) async fn token(&self, token: &str) -> Result<Option<(Claims, Identity)>, ApiError> {
        let Some(claims) = self.key.verify(token, self.now.as_second()) else { return Ok(None) };
        let bound = &claims.bound;
        if !self.exists("serviceaccounts", &bound.namespace, &bound.serviceaccount).await? {
            return Ok(None);
        }
        for (plural, reference) in [("pods", &bound.pod), ("secrets", &bound.secret)] {
            if let Some(reference) = reference
                && !self.exists(plural, &bound.namespace, reference).await?
            {
                return Ok(None);
            }
        }
        let identity = account_identity(&claims);
        Ok(Some((claims, identity)))
    }

    async fn exists(
        &self,
        plural: &str,
        namespace: &str,
        reference: &Reference,
    ) -> Result<bool, ApiError> {
        let Some(key) = Key::new(&["core", plural, namespace, &reference.name]) else {
            return Ok(false);
        };
        let object = self.store.get(&key).await.map_err(crate::errors::store)?;
        let Some(object) = object else { return Ok(false) };
        Ok(encode::parse(&object)?["metadata"]["uid"] == reference.uid.as_str())
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
    if let Some(pod) = &bound.pod {
        extra.push(("authentication.kubernetes.io/pod-name".into(), vec![pod.name.clone()]));
        extra.push(("authentication.kubernetes.io/pod-uid".into(), vec![pod.uid.clone()]));
    }
    Identity {
        user: format!("system:serviceaccount:{}:{}", bound.namespace, bound.serviceaccount.name),
        uid: bound.serviceaccount.uid.clone(),
        groups: vec![
            "system:serviceaccounts".into(),
            format!("system:serviceaccounts:{}", bound.namespace),
            AUTHENTICATED.into(),
        ],
        extra,
    }
}

/// Whoever a master says to be. Others may not: without authorization rules nobody granted it to them.
fn impersonated(headers: &HeaderMap, identity: Identity) -> Result<Identity, ApiError> {
    let header = |name: &str| {
        headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok().map(str::to_owned))
    };
    let Some(user) = header("impersonate-user").next() else {
        return match header("impersonate-group").next() {
            Some(_) => Err(ApiError::bad_request("requested groups without impersonating a user")),
            None => Ok(identity),
        };
    };
    if !identity.is_master() {
        let why = format!(
            "User {:?} cannot impersonate resource \"users\" in API group \"\" at the cluster scope",
            identity.user
        );
        return Err(ApiError::forbidden("", "users", &user, &why));
    }
    let mut groups: Vec<String> = header("impersonate-group").collect();
    if user != ANONYMOUS && !groups.iter().any(|group| group == AUTHENTICATED) {
        groups.push(AUTHENTICATED.to_owned());
    }
    let uid = header("impersonate-uid").next().unwrap_or_default();
    Ok(Identity { user, uid, groups, extra: Vec::new() })
}

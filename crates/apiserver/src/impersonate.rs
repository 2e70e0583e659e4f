//! Who asks in the name of somebody else.
//!
//! Invariant: every part of an assumed identity (name, groups, uid, each extra value) is one that whoever asks may
//! assume by the verb `impersonate`; nothing of the real identity is left in the assumed one.

use http::HeaderMap;
use machinery::error::ApiError;

use crate::authn::{
    ANONYMOUS, AUTHENTICATED, Identity, UNAUTHENTICATED, account_groups, account_of,
};
use crate::authz::{Action, Authorizer, On};
use crate::query::percent_decode;

const USER: &str = "impersonate-user";
const GROUP: &str = "impersonate-group";
const UID: &str = "impersonate-uid";
const EXTRA: &str = "impersonate-extra-";
const AUTHENTICATION: &str = "authentication.k8s.io";

/// What the headers of a request ask for.
struct Wanted {
    user: String,
    groups: Vec<String>,
    uid: String,
    extra: Vec<(String, Vec<String>)>,
}

/// The identity in whose name a request is made: its own, if it says nothing else.
pub(crate) fn assume(
    authorizer: &Authorizer,
    headers: &HeaderMap,
    identity: Identity,
) -> Result<Identity, ApiError> {
    let Some(wanted) = wanted(headers)? else { return Ok(identity) };
    for on in wanted.parts() {
        authorizer.authorize(&identity, &Action::Resource(on))?;
    }
    Ok(wanted.into_identity())
}

fn wanted(headers: &HeaderMap) -> Result<Option<Wanted>, ApiError> {
    let all = |name: &str| -> Result<Vec<String>, ApiError> {
        headers.get_all(name).into_iter().map(text).collect()
    };
    let (users, groups, uids) = (all(USER)?, all(GROUP)?, all(UID)?);
    let extra = extra(headers)?;
    let user = users.into_iter().next().filter(|user| !user.is_empty());
    match user {
        Some(user) => {
            let uid = uids.into_iter().next().unwrap_or_default();
            Ok(Some(Wanted { user, groups, uid, extra }))
        }
        None if groups.is_empty() && uids.is_empty() && extra.is_empty() => Ok(None),
        None => Err(ApiError::bad_request(
            "groups, a uid or extra values are to be impersonated without a user: send Impersonate-User too",
        )),
    }
}

fn text(value: &http::HeaderValue) -> Result<String, ApiError> {
    let text = value.to_str().map(str::to_owned);
    text.map_err(|_| ApiError::bad_request("an Impersonate header is not plain text"))
}

/// `Impersonate-Extra-KEY: VALUE`, the key percent-encoded and without case.
fn extra(headers: &HeaderMap) -> Result<Vec<(String, Vec<String>)>, ApiError> {
    let mut extra = Vec::new();
    for name in headers.keys() {
        let Some(key) = name.as_str().strip_prefix(EXTRA) else { continue };
        let key = percent_decode(key).unwrap_or_else(|| key.to_owned()).to_lowercase();
        let values = headers.get_all(name).into_iter().map(text).collect::<Result<_, _>>()?;
        extra.push((key, values));
    }
    Ok(extra)
}

impl Wanted {
    /// Everything that has to be allowed.
    fn parts(&self) -> Vec<On<'_>> {
        let impersonate = On { verb: "impersonate", ..On::default() };
        let user = match account_of(&self.user) {
            Some((namespace, name)) => {
                On { resource: "serviceaccounts", namespace, name, ..impersonate }
            }
            None => On { resource: "users", name: &self.user, ..impersonate },
        };
        let groups =
            self.groups.iter().map(|it| On { resource: "groups", name: it, ..impersonate });
        let own = On { group: AUTHENTICATION, ..impersonate };
        let uid = Some(&self.uid).filter(|uid| !uid.is_empty());
        let uid = uid.map(|uid| On { resource: "uids", name: uid, ..own });
        let extra = self.extra.iter().flat_map(|(key, values)| {
            values.iter().map(move |value| On {
                resource: "userextras",
                subresource: key,
                name: value,
                ..own
            })
        });
        [user].into_iter().chain(groups).chain(uid).chain(extra).collect()
    }

    fn into_identity(self) -> Identity {
        let Self { user, mut groups, uid, extra } = self;
        if let Some((namespace, _)) = account_of(&user)
            && groups.is_empty()
        {
            groups = account_groups(namespace);
        }
        let has = |wanted: &str| groups.iter().any(|group| group == wanted);
        let class = match user == ANONYMOUS || has(UNAUTHENTICATED) {
            true => UNAUTHENTICATED,
            false => AUTHENTICATED,
        };
        if !has(class) {
            groups.push(class.to_owned());
        }
        Identity { user, uid, groups, extra }
    }
}

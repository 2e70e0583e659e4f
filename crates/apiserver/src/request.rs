//! From a method, a path and a query to a closed [`Route`].
//!
//! Invariants: every segment of a path is decoded exactly once and then has no slash, percent sign or control
//! character, and is neither `.` nor `..`; so whatever is built from segments (store keys above all) cannot leave
//! its directory. What does not parse is no route.

use http::Method;

use crate::query::{Query, percent_decode};

/// Longest path that is looked at.
const PATH_BYTES_MAX: usize = 8 * 1024;

/// What a path asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// A resource: a collection, an object or a subresource.
    Resource(Target),
    /// Anything else, by its decoded segments: discovery, health, version, OpenAPI.
    Other(Vec<String>),
}

/// A resource, as a path names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) namespace: Option<String>,
    pub(crate) plural: String,
    pub(crate) name: Option<String>,
    pub(crate) subresource: Option<String>,
    /// The deprecated `/watch/` prefix.
    pub(crate) watch: bool,
}

/// What is to be done with a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Get,
    List,
    Watch,
    Create,
    Update,
    Patch,
    Delete,
    DeleteCollection,
}

impl Verb {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
        }
    }
}

/// Parses a path. `None` if it can name nothing.
pub(crate) fn route(path: &str) -> Option<Route> {
    if path.len() > PATH_BYTES_MAX {
        return None;
    }
    let path = path.strip_prefix('/')?;
    let path = path.strip_suffix('/').unwrap_or(path);
    let segments: Vec<String> = path.split('/').map(segment).collect::<Option<_>>()?;
    Some(match target(&segments) {
        Some(target) => Route::Resource(target),
        None => Route::Other(segments),
    })
}

fn segment(raw: &str) -> Option<String> {
    let decoded = percent_decode(raw)?;
    let harmless = !decoded.contains(|c: char| c == '/' || c == '%' || c.is_control());
    (harmless && decoded != "." && decoded != "..").then_some(decoded)
}

fn target(segments: &[String]) -> Option<Target> {
    let (group, version, rest) = match segments {
        [api, version, rest @ ..] if api == "api" => ("", version, rest),
        [apis, group, version, rest @ ..] if apis == "apis" => (group.as_str(), version, rest),
        _ => return None,
    };
    if segments.iter().any(String::is_empty) {
        return None;
    }
    // No subresource is watched.
    let (watch, rest) = match rest {
        [first, rest @ ..] if first == "watch" && !rest.is_empty() => (true, rest),
        _ => (false, rest),
    };
    let base =
        Target { group: group.to_owned(), version: version.clone(), watch, ..Target::default() };
    match rest {
        [] => None,
        // The namespace object itself, and its subresources.
        [plural, name] if plural == "namespaces" => {
            Some(Target { plural: plural.clone(), name: Some(name.clone()), ..base })
        }
        [plural, name, sub] if plural == "namespaces" && is_namespace_subresource(sub) => {
            Some(Target {
                plural: plural.clone(),
                name: Some(name.clone()),
                subresource: Some(sub.clone()),
                ..base
            })
        }
        [namespaces, namespace, rest @ ..] if namespaces == "namespaces" => {
            within(Target { namespace: Some(namespace.clone()), ..base }, rest)
        }
        rest => within(base, rest),
    }
    .filter(|target| !(target.watch && target.subresource.is_some()))
}

fn is_namespace_subresource(word: &str) -> bool {
    word == "status" || word == "finalize"
}

fn within(base: Target, rest: &[String]) -> Option<Target> {
    let (plural, name, subresource) = match rest {
        [plural] => (plural, None, None),
        [plural, name] => (plural, Some(name), None),
        [plural, name, subresource] => (plural, Some(name), Some(subresource)),
        _ => return None,
    };
    Some(Target {
        plural: plural.clone(),
        name: name.cloned(),
        subresource: subresource.cloned(),
        ..base
    })
}

/// The verb of a request. `None` for a method that no resource has.
pub(crate) fn verb(method: &Method, target: &Target, query: &Query) -> Option<Verb> {
    let collection = target.name.is_none();
    let verb = match *method {
        Method::GET | Method::HEAD => {
            let asked = target.watch || query.switch("watch");
            match (collection || target.watch, asked && target.subresource.is_none()) {
                (true, true) => Verb::Watch,
                (true, false) => Verb::List,
                (false, _) => Verb::Get,
            }
        }
        Method::POST => Verb::Create,
        Method::PUT => Verb::Update,
        Method::PATCH => Verb::Patch,
        Method::DELETE if collection => Verb::DeleteCollection,
        Method::DELETE => Verb::Delete,
        _ => return None,
    };
    Some(verb)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(path: &str) -> String {
        match route(path) {
            None => "none".into(),
            Some(Route::Other(segments)) => format!("other {}", segments.join("|")),
            Some(Route::Resource(it)) => format!(
                "{}/{} {} {} {} {}{}",
                it.group,
                it.version,
                it.namespace.as_deref().unwrap_or("-"),
                it.plural,
                it.name.as_deref().unwrap_or("-"),
                it.subresource.as_deref().unwrap_or("-"),
                if it.watch { " watch" } else { "" }
            ),
        }
    }

    #[test]
    fn paths_name_collections_objects_and_subresources() {
        for (path, expected) in [
            ("/api/v1/pods", "/v1 - pods - -"),
            ("/api/v1/namespaces/ns/pods/p/log", "/v1 ns pods p log"),
            ("/api/v1/namespaces/ns", "/v1 - namespaces ns -"),
            ("/api/v1/namespaces/ns/finalize", "/v1 - namespaces ns finalize"),
            ("/api/v1/namespaces/ns/status", "/v1 - namespaces ns status"),
            ("/api/v1/namespaces/ns/pods", "/v1 ns pods - -"),
            ("/apis/g/v1/widgets/a", "g/v1 - widgets a -"),
            ("/apis/g/v1/namespaces/ns/widgets/a%20b", "g/v1 ns widgets a b -"),
            ("/api/v1/watch/namespaces/ns/pods", "/v1 ns pods - - watch"),
            ("/api/v1", "other api|v1"),
            ("/apis/g/v1", "other apis|g|v1"),
            ("/healthz/", "other healthz"),
            ("/", "other "),
        ] {
            assert_eq!(show(path), expected, "{path}");
        }
    }

    #[test]
    fn no_segment_leaves_its_directory() {
        for path in [
            "/api/v1/namespaces/ns/pods/..",
            "/api/v1/namespaces/ns%2F..%2Fother/pods",
            "/api/v1/namespaces/%2e%2e/pods",
            "/api/v1/namespaces/ns/pods/a%00b",
            "/api/v1/namespaces/ns/pods/a%252Fb",
            "/api/v1/namespaces/ns/pods/%zz",
            "api/v1/pods",
        ] {
            assert_eq!(show(path), "none", "{path}");
        }
        for path in
            ["/api/v1/namespaces//pods", "/api/v1//pods", "/api/v1/namespaces/ns/pods/a/b/c"]
        {
            assert!(show(path).starts_with("other"), "{path}");
        }
        assert_eq!(route(&format!("/{}", "a".repeat(PATH_BYTES_MAX))), None);
    }
}

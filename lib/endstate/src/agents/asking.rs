//! Whom an agent asks, and by which files.

use std::collections::BTreeSet;

use endstate_core::tls::{Files, Given, Holder, Link, Naming, Source};
use endstate_core::{Verdict, client_service};

use super::Seen;

impl Seen<'_> {
    /// The host of its service for clients.
    pub fn service(&self) -> String {
        format!("{}.{}.svc", client_service(&self.object.name), self.object.namespace)
    }

    /// The files by which it is asked, if it serves with TLS: the operator's, or those in a secret of the user's, under
    /// the names that earlier operators gave them.
    pub fn asked_with(
        &self,
        application: &str,
        link: &Link,
        given: Option<&str>,
    ) -> Result<Option<Files>, Verdict> {
        let given = given.map(|it| {
            let (operator, files) = (it.to_owned(), Naming::Historical);
            Link::On(Source::Secrets(Given { operator, files, ..Given::default() }))
        });
        if given.is_some() && !link.is_on() {
            let why = format!("{} serves without TLS: remove clientTLSSecret", self.object.name);
            return Err(Verdict::waits("SpecRefused", why));
        }
        let files =
            given.as_ref().unwrap_or(link).files(application, self.object, Holder::Operator);
        Ok(files.filter(|_| link.is_on()))
    }
}

/// The cluster of a namespace whose service for clients, at this port, all of these URLs are, or why there is none.
///
/// ```
/// use endstate::agents::cluster_at;
/// let at = |urls: &[&str]| cluster_at("db", &urls.iter().map(|it| it.to_string()).collect::<Vec<_>>(), 2379);
/// assert_eq!(at(&["http://demo-client:2379", "https://demo-client.db.svc.cluster.local:2379/"]).unwrap(), "demo");
/// assert!(at(&["http://demo-client.other.svc:2379"]).is_err(), "another namespace");
/// assert!(at(&["http://a-client:2379", "http://b-client:2379"]).is_err(), "two clusters");
/// ```
pub fn cluster_at(namespace: &str, urls: &[String], port: u16) -> Result<String, String> {
    let names = urls.iter().map(|it| of_service(namespace, it, port).ok_or(it));
    let names = names.collect::<Result<BTreeSet<_>, _>>().map_err(|it| {
        let service = format!("{}.{namespace}.svc:{port}", client_service("NAME"));
        format!("{it} is not the service for clients of a cluster of this namespace: write http://{service}")
    })?;
    let mut names = names.into_iter();
    match (names.next(), names.next()) {
        (Some(name), None) => Ok(name.to_owned()),
        (None, _) => Err("no cluster is named: name the service for clients of one".to_owned()),
        _ => Err("several clusters are named: name one".to_owned()),
    }
}

/// The cluster whose service a URL is: `http://NAME-client.NAMESPACE.svc.cluster.local:PORT`, or less of it.
fn of_service<'a>(namespace: &str, url: &'a str, at: u16) -> Option<&'a str> {
    let (scheme, host) = url.split_once("://").unwrap_or(("http", url));
    let (host, port) = host.trim_end_matches('/').rsplit_once(':')?;
    let mut labels = host.split('.');
    let name = labels.next()?.strip_suffix(&client_service(""))?;
    let here = labels.next().is_none_or(|it| it == namespace);
    let service = labels.next().is_none_or(|it| it == "svc");
    let known = ["http", "https"].contains(&scheme) && port.parse() == Ok(at);
    (known && here && service && !name.is_empty()).then_some(name)
}

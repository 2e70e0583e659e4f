//! Who filled a secret, as cert-manager notes it there.

use std::collections::BTreeMap;

use endstate_core::{IssuerRef, Origin};

/// The object by which cert-manager was asked.
const REQUEST: &str = "cert-manager.io/certificate-name";
/// The issuer that signed. cert-manager writes these three with the certificate itself, and keeps them when it only
/// mends labels. Since 1.13 (its pull request 6147) they are of the request that was signed; before, of the object's
/// spec at the moment of the write, which says nothing of who signed.
const ISSUER_NAME: &str = "cert-manager.io/issuer-name";
const ISSUER_KIND: &str = "cert-manager.io/issuer-kind";
const ISSUER_GROUP: &str = "cert-manager.io/issuer-group";

/// Who filled a secret that is there, by its annotations.
pub(super) fn origin(annotations: &BTreeMap<String, String>) -> Origin {
    let noted = |key: &str| annotations.get(key).map(String::as_str).unwrap_or_default();
    let (request, name) = (noted(REQUEST), noted(ISSUER_NAME));
    if request.is_empty() {
        return Origin::Other;
    }
    let issuer = || IssuerRef::new(name).of(noted(ISSUER_KIND), noted(ISSUER_GROUP));
    Origin::CertManager { request: request.to_owned(), issuer: (!name.is_empty()).then(issuer) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(annotations: &[(&str, &str)]) -> Origin {
        let all = annotations.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        origin(&all.collect())
    }

    #[test]
    fn only_what_cert_manager_noted_is_of_an_issuer() {
        assert_eq!(of(&[]), Origin::Other);
        assert_eq!(of(&[(ISSUER_NAME, "ca"), (ISSUER_KIND, "Issuer")]), Origin::Other);
        let by = |issuer| Origin::CertManager { request: "mine".into(), issuer };
        assert_eq!(of(&[(REQUEST, "mine")]), by(None));
        assert_eq!(of(&[(REQUEST, "mine"), (ISSUER_NAME, "")]), by(None));
        // Who asks without a kind and a group, asks so.
        let bare = [(REQUEST, "mine"), (ISSUER_NAME, "ca"), (ISSUER_GROUP, "")];
        assert_eq!(of(&bare), by(Some(IssuerRef::new("ca"))));
        let full = [
            (REQUEST, "mine"),
            (ISSUER_NAME, "ca"),
            (ISSUER_KIND, "ClusterIssuer"),
            (ISSUER_GROUP, "example.com"),
        ];
        let issuer = IssuerRef::new("ca").of("ClusterIssuer", "example.com");
        assert_eq!(of(&full), by(Some(issuer)));
    }
}

use super::*;

fn refused(action: &Action<'_>) -> String {
    let identity = Identity::new("u", &[]);
    Authorizer::default().authorize(&identity, action).unwrap_err().message
}

#[test]
fn refusals_have_upstreams_words() {
    let list = On { verb: "list", resource: "pods", namespace: "n", ..On::default() };
    assert_eq!(
        refused(&Action::Resource(list)),
        r#"pods is forbidden: User "u" cannot list resource "pods" in API group "" in the namespace "n""#
    );
    let scale = On {
        verb: "get",
        group: "apps",
        resource: "deployments",
        subresource: "scale",
        name: "d",
        ..On::default()
    };
    assert_eq!(
        refused(&Action::Resource(scale)),
        r#"deployments.apps "d" is forbidden: User "u" cannot get resource "deployments/scale" in API group "apps" at the cluster scope"#
    );
    assert_eq!(
        refused(&Action::Path { verb: "get", path: "/metrics/<x>" }),
        r#"forbidden: User "u" cannot get path "/metrics/&lt;x&gt;""#
    );
}

#[test]
fn without_any_rule_the_server_is_still_seen_to_be_alive_and_administered() {
    let authorizer = Authorizer::default();
    let nobody = Identity::anonymous();
    for (path, allowed) in
        [("/healthz", true), ("/livez", true), ("/healthz/x", false), ("/version", false)]
    {
        let action = Action::Path { verb: "get", path };
        assert_eq!(authorizer.authorize(&nobody, &action).is_ok(), allowed, "{path}");
    }
    let everything = On { verb: "delete", resource: "nodes", ..On::default() };
    let masters = Identity::masters("m");
    assert!(authorizer.authorize(&masters, &Action::Resource(everything)).is_ok());
}

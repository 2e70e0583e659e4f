use serde_json::json;

use super::*;

fn check(selector: &str, labels: &Value, expected: bool) {
    let parsed = LabelSelector::parse(selector).unwrap();
    assert_eq!(parsed.matches_labels(labels), expected, "{selector} on {labels}");
    let again = LabelSelector::parse(&parsed.to_string()).unwrap();
    assert_eq!(again, parsed, "the canonical text means the same");
}

fn error(selector: &str) -> String {
    LabelSelector::parse(selector).unwrap_err().message
}

#[test]
fn operators() {
    let labels = json!({"a": "b", "n": "5", "in": "x"});
    for (selector, expected) in [
        ("", true),
        ("a=b", true),
        ("a==b", true),
        ("a = b , n = 5", true),
        ("a!=b", false),
        ("z!=b", true),
        ("a in (b,c)", true),
        ("a in (c)", false),
        ("z notin (b)", true),
        ("a notin (b)", false),
        ("a", true),
        ("!a", false),
        ("!z", true),
        ("z", false),
        ("n>4", true),
        ("n<5", false),
        ("a>4", false),
        ("in in (x,in)", true),
        ("a=", false),
        ("a in (,b)", true),
    ] {
        check(selector, &labels, expected);
    }
}

#[test]
fn recorded_and_upstream_errors() {
    assert_eq!(error("a===b"), "unable to parse requirement: found '=', expected: identifier");
    assert_eq!(error("a,"), "found '', expected: identifier after ','");
    assert_eq!(error("=a"), "found '=', expected: !, identifier, or 'end of string'");
    assert_eq!(
        error("a b"),
        "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"
    );
    assert!(error("a in ()").contains("values set can't be empty"));
    assert!(error("a in (b").contains("expected: ',' or ')'"));
    assert!(
        error("a/b/c").starts_with("unable to parse requirement: key: Invalid value: \"a/b/c\"")
    );
    assert!(error(&"a,".repeat(5_000)).contains("at most"));
}

#[test]
fn objects() {
    let labels = json!({"app": "x", "tier": "db"});
    let parse = |value: Value| LabelSelector::from_value(&value);
    assert!(!parse(Value::Null).unwrap().matches_labels(&labels));
    assert!(parse(json!({})).unwrap().matches_labels(&labels));
    let both = json!({"matchLabels": {"app": "x"}, "matchExpressions": [{"key": "tier", "operator": "In", "values": ["db", "web"]}]});
    let both = parse(both).unwrap();
    assert!(both.matches_labels(&labels));
    assert_eq!(both.to_string(), "app=x,tier in (db,web)");
    let bad = parse(json!({"matchExpressions": [{"key": "a", "operator": "Nope"}]}));
    assert_eq!(bad.unwrap_err().message, "\"Nope\" is not a valid label selector operator");
}

#[test]
fn fields() {
    let selector = FieldSelector::parse("metadata.name=a,status.phase!=Failed,").unwrap();
    assert_eq!(selector.requirement("metadata.name"), Some("a"));
    assert_eq!(selector.requirement("status.phase"), None);
    assert_eq!(selector.labels().collect::<Vec<_>>(), ["metadata.name", "status.phase"]);
    assert!(selector.matches(|field| (field == "metadata.name").then_some("a")));
    assert!(!selector.matches(|_| Some("Failed")));
    let error = selector.check_supported(|field| field != "status.phase").unwrap_err();
    assert_eq!(error.message, "field label not supported: status.phase");
    let escaped = FieldSelector::parse(r"a=x\,y\=z\\").unwrap();
    assert_eq!(escaped.requirement("a"), Some(r"x,y=z\"));
    assert_eq!(escaped.to_string(), r"a=x\,y\=z\\");
    let error = FieldSelector::parse("a>b").unwrap_err();
    assert_eq!(error.message, "invalid selector: 'a>b'; can't understand 'a>b'");
    FieldSelector::parse(r"a=b\c").unwrap_err();
}

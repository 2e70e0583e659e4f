use serde_json::{Value, json};

use crate::error::FieldError;
use crate::schema::Schema;

/// A schema whose `spec` has these properties and rules.
fn schema(properties: Value, rules: Value) -> Result<Schema, Vec<FieldError>> {
    Schema::from_openapi(&json!({"type": "object", "properties": {"spec": {
        "type": "object", "properties": properties, "x-kubernetes-validations": rules,
    }}}))
}

fn run(properties: Value, rule: &str, spec: Value, old: Option<Value>) -> Vec<String> {
    let schema = schema(properties, json!([{"rule": rule}])).unwrap();
    let old = old.map(|old| json!({"spec": old}));
    let errors = schema.validate(&json!({"spec": spec}), old.as_ref());
    errors.iter().map(FieldError::to_string).collect()
}

fn holds(properties: &Value, rule: &str, spec: &Value) {
    assert_eq!(run(properties.clone(), rule, spec.clone(), None), [""; 0], "{rule} on {spec}");
}

fn fails(properties: &Value, rule: &str, spec: &Value) {
    let expected = format!("spec: Invalid value: \"object\": failed rule: {rule}");
    assert_eq!(run(properties.clone(), rule, spec.clone(), None), [expected]);
}

#[test]
fn recorded_rule_with_message() {
    let schema = Schema::from_openapi(&super::super::tests::widget()).unwrap();
    let object = |size: i64| json!({"spec": {"size": size}});
    let errors = schema.validate(&object(200), None);
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].to_string(), "spec: Invalid value: \"object\": too big");
    assert!(schema.validate(&object(5), None).is_empty());
    let shrunk = schema.validate(&object(4), Some(&object(5)));
    assert_eq!(
        shrunk[0].to_string(),
        "spec: Invalid value: \"object\": failed rule: self.size >= oldSelf.size"
    );
    assert!(schema.validate(&object(6), Some(&object(5))).is_empty());
}

#[test]
fn expressions_operators_use() {
    let properties = json!({
        "replicas": {"type": "integer"}, "max": {"type": "integer"}, "ratio": {"type": "number"},
        "name": {"type": "string"}, "empty": {"type": "string"}, "at": {"type": "string", "format": "date-time"},
        "wait": {"type": "string", "format": "duration"},
        "list": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "string"}, "v": {"type": "integer"}}}},
        "map": {"type": "object", "additionalProperties": {"type": "string"}},
        "port": {"x-kubernetes-int-or-string": true},
        "deep": {"type": "object", "properties": {"inner": {"type": "integer"}}},
        "namespace": {"type": "string"}, "a-b": {"type": "string"}, "size": {"type": "string"},
    });
    let spec = json!({
        "replicas": 3, "max": 5, "ratio": 2, "name": "abc-1", "at": "2026-01-01T00:00:00Z", "wait": "1m30s",
        "list": [{"n": "a", "v": 1}, {"n": "b", "v": 2}], "map": {"a-b": "x"}, "port": "http",
        "namespace": "ns", "a-b": "dash", "size": "1Gi",
    });
    for rule in [
        "self.replicas <= self.max",
        "has(self.replicas) && !has(self.max) || self.max > 1",
        "self.ratio > 1.5",
        "self.name.startsWith('abc') && self.name.matches('^[a-z]+-[0-9]$')",
        "self.list.all(x, x.v > 0) && self.list.exists(x, x.n == 'b')",
        "self.list.map(x, x.v).sum() == 3",
        "self.list.filter(x, x.v > 1).size() == 1 && size(self.list) == 2",
        "self.list.all(x, self.list.exists_one(y, x.n == y.n))",
        "'a-b' in self.map && self.map['a-b'] == 'x'",
        "type(self.port) == string",
        "self.__namespace__ == 'ns' && self.a__dash__b == 'dash'",
        "self.at < timestamp('2027-01-01T00:00:00Z')",
        "self.wait == duration('90s')",
        "quantity(self.size).compareTo(quantity('1024Mi')) == 0",
        "self.list[0].n == 'a'",
        "self.replicas in [1, 3, 5]",
        "math.greatest(self.replicas, 2) == 3 && sets.contains([1, 2, 3], [self.replicas])",
        "self.name.split('-')[0].upperAscii() == 'ABC' && self.name.find('[0-9]') == '1'",
        "isURL('https://x/y') && url('https://x/y').getHost() == 'x' && isIP('10.0.0.1') && cidr('10.0.0.0/8').containsIP('10.0.0.1')",
        "'%s has %d'.format([self.name, self.replicas]) == 'abc-1 has 3'",
        "semver('1.2.3').isGreaterThan(semver('1.2.0')) && isQuantity(self.size)",
        "self.at.getFullYear() == 2026 && int('5') == 5 && string(5) == '5' && double('1.5') > 1.0",
        "self.?name.orValue('none') == 'abc-1' && self.?empty.orValue('none') == 'none'",
        "self.?deep.?inner.orValue(3) == 3 && self.?deep.inner.orValue(3) == 3",
        "self.?list[0].n.orValue('z') == 'a'",
        "self.map[?'a-b'].hasValue() && !self.map[?'zz'].hasValue()",
        "self.?name.optMap(n, n.size()).orValue(0) == 5 && !self.?empty.optMap(n, n.size()).hasValue()",
        "self.?name.optFlatMap(n, optional.of(n + 'x')).value() == 'abc-1x'",
        "optional.none().orValue(1) == 1",
        "cel.bind(n, self.list.size(), n > 1 && n < 9)",
        "cel.bind(l, self.list, l.all(x, cel.bind(v, x.v, v > 0)))",
    ] {
        holds(&properties, rule, &spec);
    }
    for rule in ["self.replicas > self.max", "!has(self.name)", "self.list.exists(x, x.v > 9)"] {
        fails(&properties, rule, &spec);
    }
}

#[test]
fn transition_rules_need_an_old_value() {
    let properties = json!({"size": {"type": "integer"}});
    let rule = "self.size == oldSelf.size";
    assert_eq!(run(properties.clone(), rule, json!({"size": 1}), None), [""; 0]);
    assert_eq!(
        run(properties.clone(), rule, json!({"size": 1}), Some(json!({"size": 1}))),
        [""; 0]
    );
    assert_eq!(run(properties, rule, json!({"size": 1}), Some(json!({"size": 2}))).len(), 1);
}

#[test]
fn old_values_of_map_list_items_are_found_by_key() {
    let item = json!({"type": "object", "required": ["n"], "properties": {"n": {"type": "string"}, "v": {"type": "integer"}},
        "x-kubernetes-validations": [{"rule": "self.v >= oldSelf.v"}]});
    let list = json!({"type": "array", "items": item, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["n"]});
    let old = json!({"list": [{"n": "a", "v": 5}, {"n": "b", "v": 1}]});
    let new = json!({"list": [{"n": "b", "v": 2}, {"n": "a", "v": 4}, {"n": "c", "v": 0}]});
    let errors = run(json!({"list": list}), "true", new, Some(old));
    assert_eq!(
        errors,
        ["spec.list[1]: Invalid value: \"object\": failed rule: self.v >= oldSelf.v"]
    );
}

#[test]
fn optional_old_self() {
    let rules = json!([{"rule": "oldSelf.hasValue() ? oldSelf.value().size <= self.size : self.size == 1", "optionalOldSelf": true}]);
    let schema = schema(json!({"size": {"type": "integer"}}), rules).unwrap();
    let object = |size: i64| json!({"spec": {"size": size}});
    assert!(schema.validate(&object(1), None).is_empty());
    assert_eq!(schema.validate(&object(2), None).len(), 1);
    assert!(schema.validate(&object(2), Some(&object(1))).is_empty());
    assert_eq!(schema.validate(&object(1), Some(&object(2))).len(), 1);
}

#[test]
fn message_reason_and_field_path() {
    let rules = json!([{
        "rule": "self.size > 5", "message": "written", "messageExpression": "'size is ' + string(self.size)",
        "reason": "FieldValueForbidden", "fieldPath": ".size",
    }]);
    let schema = schema(json!({"size": {"type": "integer"}}), rules).unwrap();
    let errors = schema.validate(&json!({"spec": {"size": 1}}), None);
    assert_eq!(errors[0].to_string(), "spec.size: Forbidden: size is 1");
    let rules =
        json!([{"rule": "self.size > 5", "message": "written", "messageExpression": "'a\\nb'"}]);
    let schema = super::tests::schema(json!({"size": {"type": "integer"}}), rules).unwrap();
    let errors = schema.validate(&json!({"spec": {"size": 1}}), None);
    assert_eq!(errors[0].to_string(), "spec: Invalid value: \"object\": written");
}

#[test]
fn unchanged_values_are_forgiven() {
    let properties = json!({"size": {"type": "integer"}, "inner": {"type": "object",
        "properties": {"a": {"type": "integer"}}, "x-kubernetes-validations": [{"rule": "self.a > 5"}]}});
    let old = json!({"size": 1, "inner": {"a": 1}});
    let new = json!({"size": 2, "inner": {"a": 1}});
    assert_eq!(run(properties.clone(), "true", new, Some(old.clone())), [""; 0]);
    let changed = json!({"size": 2, "inner": {"a": 2}});
    assert_eq!(run(properties, "true", changed, Some(old)).len(), 1);
}

#[test]
fn what_cannot_be_evaluated_is_refused_with_the_reason() {
    let properties = json!({"size": {"type": "integer"}, "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    let errors = run(properties.clone(), "self.open.x == 1", json!({"open": {}}), None);
    assert_eq!(
        errors,
        ["spec: Invalid value: \"object\": no such key: x evaluating rule: self.open.x == 1"]
    );
    let errors = run(properties, "1 / self.size > 0", json!({"size": 0}), None);
    assert_eq!(
        errors,
        ["spec: Invalid value: \"object\": division by zero evaluating rule: 1 / self.size > 0"]
    );
}

#[test]
fn bad_rules_are_refused_with_the_schema() {
    let properties = json!({"size": {"type": "integer"}, "list": {"type": "array", "items": {"type": "string"}}});
    for (rule, part) in [
        ("self.sise > 1", "undefined field 'sise'"),
        ("self.list.sighs() > 1", "undeclared reference to 'sighs'"),
        ("nothing(self)", "undeclared reference to 'nothing'"),
        ("self.?sise.orValue(1) > 1", "undefined field 'sise'"),
        ("self.size.x > 1", "does not support field selection"),
        ("other.size > 1", "undeclared reference to 'other'"),
        ("self.list.all(x, y > 1)", "undeclared reference to 'y'"),
        ("cel.bind(l, self.list, l.x > 1)", "does not support field selection"),
        ("google.protobuf.Any{} == self", "undeclared reference"),
        ("self.size >", "compilation failed"),
        (")(", "compilation failed"),
        ("", "rule is not specified"),
    ] {
        let errors = schema(properties.clone(), json!([{"rule": rule}])).unwrap_err();
        let text = errors[0].to_string();
        assert!(text.contains(part), "{rule}: {text}");
        assert!(
            text.starts_with("openAPIV3Schema.properties[spec].x-kubernetes-validations[0].rule: "),
            "{text}"
        );
    }
    let item = json!({"type": "object", "properties": {"v": {"type": "integer"}}, "x-kubernetes-validations": [{"rule": "self.v >= oldSelf.v"}]});
    let errors = schema(json!({"list": {"type": "array", "items": item}}), json!([])).unwrap_err();
    assert!(errors[0].to_string().contains("oldSelf cannot be used on the uncorrelatable portion"));
}

#[test]
fn field_paths_must_exist() {
    let properties = json!({"size": {"type": "integer"}, "map": {"type": "object", "additionalProperties": {"type": "string"}}});
    let check =
        |path: &str| schema(properties.clone(), json!([{"rule": "true", "fieldPath": path}]));
    for good in [".size", "['size']", ".map.anything", ".map['a.b']"] {
        check(good).unwrap();
    }
    for bad in ["size", ".sise", ".size.x", ".map[", ".map[0]"] {
        let errors = check(bad).unwrap_err();
        assert!(errors[0].to_string().contains("fieldPath must be a valid path"), "{bad}");
    }
}

#[test]
fn cost_is_bounded_before_running() {
    let properties = json!({"list": {"type": "array", "items": {"type": "integer"}}});
    let rule = "self.list.all(a, self.list.all(b, self.list.all(c, a + b + c > 0)))";
    let long: Vec<i64> = (1..2_000).collect();
    let errors = run(properties.clone(), rule, json!({"list": long}), None);
    assert!(errors[0].contains("call cost exceeds limit"), "{errors:?}");
    assert_eq!(run(properties, rule, json!({"list": [1, 2, 3]}), None), [""; 0]);
    let growing = "[self.s].all(a, [a+a+a+a+a+a+a+a].all(b, [b+b+b+b+b+b+b+b].all(c, [c+c+c+c+c+c+c+c].all(d, d != ''))))";
    let text = "x".repeat(1_000_000);
    let errors = run(json!({"s": {"type": "string"}}), growing, json!({"s": text}), None);
    assert!(errors[0].contains("call cost exceeds limit"), "{}", &errors[0][..100]);
}

#[test]
fn hostile_expressions_do_no_harm() {
    let properties = json!({"size": {"type": "integer"}});
    let nested = format!("{}self.size{} > 1", "(".repeat(5_000), ")".repeat(5_000));
    let not = format!("{}true", "!".repeat(10_001));
    let minus = format!("{}1 == 1", "-".repeat(2_001));
    let chain = format!("self{} == 1", ".size".repeat(2_000));
    let many = format!("true{}", " || true".repeat(1_500));
    for rule in [nested, not, minus, chain, many, "'".into(), "\\".into(), "\u{0}".into()] {
        // Accepted or refused, but answered.
        let _ = schema(properties.clone(), json!([{"rule": rule}]));
    }
}

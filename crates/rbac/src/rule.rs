//! One rule of a role.

use std::fmt;

use serde_json::{Map, Value, json};

/// Stands for everything of its list.
pub(crate) const ALL: &str = "*";

/// Verbs on resources, or on paths that are no resources: `PolicyRule`. Each list means any of its entries.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    pub verbs: Vec<String>,
    pub api_groups: Vec<String>,
    /// `RESOURCE`, `RESOURCE/SUBRESOURCE`, `*/SUBRESOURCE` or `*`.
    pub resources: Vec<String>,
    /// Empty for all names, and for requests without one.
    pub resource_names: Vec<String>,
    /// Paths, or the beginning of paths and a `*`.
    pub non_resource_urls: Vec<String>,
}

/// A resource of a request, the subresource apart; both as in the path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) verb: &'a str,
    pub(crate) group: &'a str,
    pub(crate) resource: &'a str,
    pub(crate) subresource: &'a str,
    pub(crate) name: &'a str,
}

/// The rules of a Role or ClusterRole. What has another form is left out: it allows nothing.
pub fn rules_of(role: &Value) -> Vec<Rule> {
    role["rules"].as_array().into_iter().flatten().map(Rule::from_value).collect()
}

/// What a cluster administrator may do.
pub fn everything() -> Vec<Rule> {
    let all = || vec![ALL.to_owned()];
    let resources = Rule { verbs: all(), api_groups: all(), resources: all(), ..Rule::default() };
    let paths = Rule { verbs: all(), non_resource_urls: all(), ..Rule::default() };
    vec![resources, paths]
}

impl Rule {
    /// Reads a `PolicyRule`.
    pub fn from_value(rule: &Value) -> Self {
        let list = |key: &str| {
            let words = rule[key].as_array().into_iter().flatten();
            words.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        Self {
            verbs: list("verbs"),
            api_groups: list("apiGroups"),
            resources: list("resources"),
            resource_names: list("resourceNames"),
            non_resource_urls: list("nonResourceURLs"),
        }
    }

    /// As a `PolicyRule`.
    pub fn to_value(&self) -> Value {
        let mut rule = Map::new();
        for (key, list) in self.lists() {
            let key = match key {
                "APIGroups" => "apiGroups",
                "Resources" => "resources",
                "NonResourceURLs" => "nonResourceURLs",
                "ResourceNames" => "resourceNames",
                _ => "verbs",
            };
            if !list.is_empty() {
                rule.insert(key.to_owned(), json!(list));
            }
        }
        Value::Object(rule)
    }

    pub(crate) fn allows(&self, asked: &Asked<'_>) -> bool {
        has(&self.verbs, asked.verb)
            && has(&self.api_groups, asked.group)
            && self.resources.iter().any(|it| is_resource(it, asked))
            && (self.resource_names.is_empty()
                || self.resource_names.iter().any(|it| it == asked.name))
    }

    pub(crate) fn allows_path(&self, verb: &str, path: &str) -> bool {
        has(&self.verbs, verb) && self.non_resource_urls.iter().any(|it| covers_path(it, path))
    }

    fn lists(&self) -> [(&'static str, &Vec<String>); 5] {
        [
            ("APIGroups", &self.api_groups),
            ("Resources", &self.resources),
            ("NonResourceURLs", &self.non_resource_urls),
            ("ResourceNames", &self.resource_names),
            ("Verbs", &self.verbs),
        ]
    }
}

/// As kube-apiserver writes rules in refusals.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lists = self.lists();
        let parts = lists.iter().filter(|(_, list)| !list.is_empty()).map(|(name, list)| {
            let words: Vec<String> = list.iter().map(|word| format!("{word:?}")).collect();
            format!("{name}:[{}]", words.join(" "))
        });
        write!(f, "{{{}}}", parts.collect::<Vec<_>>().join(", "))
    }
}

fn has(list: &[String], word: &str) -> bool {
    list.iter().any(|it| it == ALL || it == word)
}

/// `pods` is not `pods/log`, and there is no `pods/*`.
fn is_resource(entry: &str, asked: &Asked<'_>) -> bool {
    if entry == ALL {
        return true;
    }
    if asked.subresource.is_empty() {
        return entry == asked.resource;
    }
    let resource = entry.strip_suffix(asked.subresource).and_then(|it| it.strip_suffix('/'));
    resource.is_some_and(|it| it == ALL || it == asked.resource)
}

/// Whether the path of a rule, perhaps with a `*` at its end, includes another.
pub(crate) fn covers_path(entry: &str, path: &str) -> bool {
    entry == path || entry.ends_with(ALL) && path.starts_with(entry.trim_end_matches(ALL))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(verbs: &str, group: &str, resource: &str, names: &[&str]) -> Rule {
        let words = |text: &str| text.split(',').map(str::to_owned).collect();
        let resource_names = names.iter().map(|it| (*it).to_owned()).collect();
        let (verbs, api_groups, resources) = (words(verbs), words(group), words(resource));
        Rule { verbs, api_groups, resources, resource_names, ..Rule::default() }
    }

    #[test]
    fn resources_match_as_upstream() {
        let cases = [
            ("pods", "pods", "", true),
            ("pods", "pods", "log", false),
            ("pods/log", "pods", "log", true),
            ("pods/log", "pods", "", false),
            ("*/scale", "deployments", "scale", true),
            ("*/scale", "deployments", "", false),
            ("pods/*", "pods", "log", false),
            ("pods/*", "pods", "", false),
            ("*", "pods", "", true),
            ("*", "pods", "log", true),
            ("PODS", "pods", "", false),
            // Reviews may ask so.
            ("pods/log", "pods/log", "", true),
            ("*/log", "pods/log", "", false),
            ("pods/log/x", "pods", "log/x", true),
            ("podslog", "pods", "log", false),
        ];
        for (entry, resource, subresource, expected) in cases {
            let asked = Asked { verb: "get", group: "", resource, subresource, name: "" };
            assert_eq!(rule("get", "", entry, &[]).allows(&asked), expected, "{entry} {asked:?}");
        }
    }

    #[test]
    fn a_rule_with_names_is_not_for_requests_without_one() {
        let named = rule("*", "*", "secrets", &["a"]);
        for (name, expected) in [("a", true), ("b", false), ("", false)] {
            let asked =
                Asked { verb: "list", group: "", resource: "secrets", subresource: "", name };
            assert_eq!(named.allows(&asked), expected, "{name:?}");
        }
    }

    #[test]
    fn paths_match_whole_or_by_their_beginning() {
        let cases = [
            ("/healthz", "/healthz", true),
            ("/healthz", "/healthz/ping", false),
            ("/healthz/*", "/healthz/ping", true),
            ("/healthz/*", "/healthz", false),
            ("/api*", "/apis/x", true),
            ("*", "/metrics", true),
            ("/*/x", "/a/x", false),
        ];
        for (entry, path, expected) in cases {
            assert_eq!(covers_path(entry, path), expected, "{entry} {path}");
        }
    }

    #[test]
    fn rules_are_written_as_upstream() {
        let text = r#"{APIGroups:["" "apps"], Resources:["pods"], ResourceNames:["a"], Verbs:["get" "list"]}"#;
        assert_eq!(rule("get,list", ",apps", "pods", &["a"]).to_string(), text);
        let value = rule("get", "apps", "x", &["a"]).to_value();
        assert_eq!(Rule::from_value(&value), rule("get", "apps", "x", &["a"]));
    }
}

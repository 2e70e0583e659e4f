//! Whether some rules give all that others do.

use crate::Rule;
use crate::rule::{ALL, covers_path};

/// What of `wanted` none of the rules in `owned` gives, in few rules.
///
/// As upstream, each verb on each resource has to be in one single rule of `owned`; resources that only several rules
/// together name count, since they are looked at one by one.
pub fn uncovered(owned: &[Rule], wanted: &[Rule]) -> Vec<Rule> {
    let single = wanted.iter().flat_map(break_down);
    compact(single.filter(|it| !owned.iter().any(|own| covers(own, it))))
}

/// One rule for each verb on each resource and name, or on each path.
fn break_down(rule: &Rule) -> impl Iterator<Item = Rule> + '_ {
    let one = |word: &String| vec![word.clone()];
    let names: Vec<Vec<String>> = match rule.resource_names.as_slice() {
        [] => vec![vec![]],
        names => names.iter().map(one).collect(),
    };
    let mut rules = Vec::new();
    for verb in &rule.verbs {
        for (group, resource) in rule
            .api_groups
            .iter()
            .flat_map(|group| rule.resources.iter().map(move |it| (group, it)))
        {
            rules.extend(names.iter().map(|names| Rule {
                verbs: one(verb),
                api_groups: one(group),
                resources: one(resource),
                resource_names: names.clone(),
                non_resource_urls: vec![],
            }));
        }
        rules.extend(rule.non_resource_urls.iter().map(|path| Rule {
            verbs: one(verb),
            non_resource_urls: one(path),
            ..Rule::default()
        }));
    }
    rules.into_iter()
}

/// Whether a rule gives what a broken-down one does.
fn covers(own: &Rule, wanted: &Rule) -> bool {
    let names = own.resource_names.is_empty()
        || !wanted.resource_names.is_empty()
            && has_all(&own.resource_names, &wanted.resource_names);
    has_all_or_star(&own.verbs, &wanted.verbs)
        && has_all_or_star(&own.api_groups, &wanted.api_groups)
        && wanted.resources.iter().all(|it| covers_resource(&own.resources, it))
        && wanted
            .non_resource_urls
            .iter()
            .all(|path| own.non_resource_urls.iter().any(|it| covers_path(it, path)))
        && names
}

fn covers_resource(owned: &[String], resource: &str) -> bool {
    let has = |word: &str| owned.iter().any(|it| it == word);
    let by_subresource = || {
        let (_, subresource) = resource.split_once('/')?;
        Some(has(&format!("{ALL}/{subresource}")))
    };
    has(ALL) || has(resource) || by_subresource().unwrap_or(false)
}

fn has_all_or_star(owned: &[String], wanted: &[String]) -> bool {
    owned.iter().any(|it| it == ALL) || has_all(owned, wanted)
}

fn has_all(owned: &[String], wanted: &[String]) -> bool {
    wanted.iter().all(|it| owned.contains(it))
}

/// Joins the verbs of rules that are otherwise the same.
fn compact(rules: impl Iterator<Item = Rule>) -> Vec<Rule> {
    let mut joined: Vec<Rule> = Vec::new();
    for rule in rules {
        let rest = |it: &Rule| Rule { verbs: vec![], ..it.clone() };
        let is_path = !rule.non_resource_urls.is_empty();
        match joined.iter_mut().find(|it| !is_path && rest(it) == rest(&rule)) {
            Some(same) => {
                let new = rule.verbs.into_iter().filter(|it| !same.verbs.contains(it));
                let new: Vec<String> = new.collect();
                same.verbs.extend(new);
            }
            None => joined.push(rule),
        }
    }
    joined
}

#[cfg(test)]
mod tests;

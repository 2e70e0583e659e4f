//! Code in `lib/` names no application: what only one application has belongs to its operator. Comments may name one
//! as an example.

use std::path::Path;
use std::{fs, iter};

use anyhow::{Context, Result};
use proc_macro2::{TokenStream, TokenTree};

use super::Workspace;
use super::files::Source;
use crate::run;

/// Applications, and what they call their own.
const NAMES: [&str; 4] = ["etcd", "raft", "learner", "zookeeper"];

/// Words that hold one of the names and mean something else.
const OTHER_WORDS: [&str; 2] = ["draft", "craft"];

/// Folders with names of their own, and why.
const EXCEPT: [(&str, &str); 1] =
    [("lib/endstate-check/tests", "models of protocols are named after the protocol")];

pub(super) fn check(workspace: &Workspace, sources: &[Source]) -> Result<Vec<String>> {
    let mut problems = manifests(workspace)?;
    for source in sources.iter().filter(|it| is_library(&it.path)) {
        let place = source.path.display();
        let found = named_in_code(&source.text).with_context(|| place.to_string())?;
        problems.extend(found.into_iter().map(|(line, name)| {
            format!("{place}:{line}: code in lib/ names {name}; only a comment may, as an example")
        }));
    }
    Ok(problems)
}

fn is_library(path: &Path) -> bool {
    path.starts_with("lib") && !EXCEPT.iter().any(|(folder, _)| path.starts_with(folder))
}

fn manifests(workspace: &Workspace) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for package in &workspace.packages {
        let path = package.manifest_path.strip_prefix(run::root())?;
        let text = fs::read_to_string(&package.manifest_path)?;
        if let Some(name) = named(&text).filter(|_| path.starts_with("lib")) {
            problems.push(format!("{}: names {name}", path.display()));
        }
    }
    Ok(problems)
}

/// Line and name of each identifier and literal that names an application.
fn named_in_code(text: &str) -> Result<Vec<(usize, &'static str)>> {
    let code: TokenStream = text.parse().map_err(|error| anyhow::anyhow!("not Rust: {error}"))?;
    let tokens = flat(code).into_iter();
    Ok(tokens.filter_map(|it| Some((it.span().start().line, named(&it.to_string())?))).collect())
}

/// All tokens but those of doc comments, which the parser gives as `#[doc = "..."]`.
fn flat(code: TokenStream) -> Vec<TokenTree> {
    let token = |it: TokenTree| match it {
        TokenTree::Group(it) if is_doc(&it.stream()) => Vec::new(),
        TokenTree::Group(it) => flat(it.stream()),
        it => iter::once(it).collect(),
    };
    code.into_iter().flat_map(token).collect()
}

fn is_doc(attribute: &TokenStream) -> bool {
    let mut tokens = attribute.clone().into_iter();
    let starts = matches!(tokens.next(), Some(TokenTree::Ident(it)) if it == "doc");
    starts && matches!(tokens.next(), Some(TokenTree::Punct(it)) if it.as_char() == '=')
}

fn named(text: &str) -> Option<&'static str> {
    let lower = text.to_lowercase();
    let lower = OTHER_WORDS.iter().fold(lower, |text, word| text.replace(word, ""));
    NAMES.into_iter().find(|it| lower.contains(it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_comments_may_name_an_application() {
        let cases: [(&str, &[(usize, &str)]); 10] = [
            ("//! Like etcd.\n/// As raft's learners.\nfn f() {} // as ZooKeeper", &[]),
            ("/* etcd */ struct S { /** etcd */ a: u8 }", &[]),
            ("\n\nfn etcd() {}", &[(3, "etcd")]),
            ("struct EtcdCluster;", &[(1, "etcd")]),
            ("const A: &str = \"app=etcd\";", &[(1, "etcd")]),
            ("mod m {\n fn f() { g!(learner) }\n}", &[(2, "learner")]),
            ("#[cfg(test)]\nmod tests { fn raft_leads() {} }", &[(2, "raft")]),
            ("use ZooKeeper as Z;", &[(1, "zookeeper")]),
            ("#[doc(alias = \"etcd\")] fn f() {}", &[(1, "etcd")]),
            ("fn drafts(draft: Aircraft) {}", &[]),
        ];
        for (text, expected) in cases {
            assert_eq!(named_in_code(text).expect("tokens"), expected, "{text}");
        }
    }
}

//! Functions fit in 70 lines and files in 1,000, tests apart.
//!
//! Longer ones that exist are listed in `xtask/sizes.toml` and may only shrink. A function that is one flat table or
//! one list of wiring says so with `#[expect(clippy::too_many_lines, reason = "…")]` and is free.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::{Workspace, files};
use crate::run;

const FUNCTION_LINES_MAX: usize = 70;
const FILE_LINES_MAX: usize = 1_000;

/// Path, or path and function → lines.
type Sizes = BTreeMap<String, usize>;

pub(super) fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let allowed = read_ratchet()?;
    let problem = |(place, lines): (String, usize)| match allowed.get(&place) {
        Some(limit) if lines <= *limit => None,
        Some(limit) => Some(format!("{place}: {lines} lines, was {limit}: it may only shrink")),
        None => Some(format!("{place}: {lines} lines, too long")),
    };
    Ok(oversized(workspace)?.into_iter().filter_map(problem).collect())
}

pub(super) fn write_ratchet(workspace: &Workspace) -> Result<()> {
    let mut text = String::from(
        "# What is longer than the house wants (70 lines a function, 1,000 a file). Entries may shrink or vanish.\n",
    );
    for (place, lines) in oversized(workspace)? {
        text.push_str(&format!("\"{place}\" = {lines}\n"));
    }
    Ok(fs::write(ratchet(), text)?)
}

fn ratchet() -> PathBuf {
    run::root().join("xtask/sizes.toml")
}

fn read_ratchet() -> Result<Sizes> {
    let text = fs::read_to_string(ratchet()).unwrap_or_default();
    toml::from_str(&text).context("xtask/sizes.toml")
}

fn oversized(workspace: &Workspace) -> Result<Sizes> {
    let mut sizes = Sizes::new();
    for package in &workspace.packages {
        let files = files::rust(&package.folder()?.join("src"))?;
        for file in files.iter().filter(|it| !it.ends_with("tests.rs")) {
            measure(file, &mut sizes)?;
        }
    }
    Ok(sizes)
}

fn measure(path: &Path, sizes: &mut Sizes) -> Result<()> {
    let place = path.strip_prefix(run::root()).unwrap_or(path).display().to_string();
    let text = fs::read_to_string(path)?;
    let file = syn::parse_file(&text).with_context(|| place.clone())?;
    let tests: usize = file.items.iter().filter(|it| is_test(it)).map(lines).sum();
    let own = text.lines().count() - tests;
    if own > FILE_LINES_MAX {
        sizes.insert(place.clone(), own);
    }
    Functions { place: &place, sizes }.visit_file(&file);
    Ok(())
}

struct Functions<'a> {
    place: &'a str,
    sizes: &'a mut Sizes,
}

impl Functions<'_> {
    fn note(&mut self, name: &syn::Ident, attributes: &[syn::Attribute], lines: usize) {
        if lines > FUNCTION_LINES_MAX && !excused(attributes) {
            self.sizes.insert(format!("{} {name}", self.place), lines);
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !is_test(item) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.note(&function.sig.ident, &function.attrs, lines(&function.block));
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.note(&function.sig.ident, &function.attrs, lines(&function.block));
        visit::visit_impl_item_fn(self, function);
    }
}

fn lines(node: &impl Spanned) -> usize {
    let span = node.span();
    span.end().line - span.start().line + 1
}

fn excused(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|it| {
        it.path().is_ident("expect")
            && matches!(&it.meta, syn::Meta::List(list) if list.tokens.to_string().contains("too_many_lines"))
    })
}

/// `#[cfg(test)]` on an item.
fn is_test(item: &syn::Item) -> bool {
    let attributes = match item {
        syn::Item::Mod(it) => &it.attrs,
        syn::Item::Fn(it) => &it.attrs,
        syn::Item::Impl(it) => &it.attrs,
        _ => return false,
    };
    attributes.iter().any(|it| {
        it.path().is_ident("cfg")
            && matches!(&it.meta, syn::Meta::List(list) if list.tokens.to_string() == "test")
    })
}

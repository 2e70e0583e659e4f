//! Functions fit in 70 lines, files in 1,000 and an operator with its planner in [`OPERATORS`], tests apart.
//!
//! A function that is one flat table or
//! one list of wiring says so with `#[expect(clippy::too_many_lines, reason = "…")]` and is free.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::{Package, Workspace, files};
use crate::run;

const FUNCTION_LINES_MAX: usize = 70;
const FILE_LINES_MAX: usize = 1_000;

/// What only the application knows fits in so many lines, comments and blank lines among them. What is generic belongs
/// in the library, where the next operator finds it. Of etcd's, 3,500 are for members that come and go; the rest is for
/// their data: compared, backed up, restored.
const OPERATORS: [(&str, usize); 2] = [("etcd", 4_500), ("zookeeper", 900)];

/// Path, or path and function → lines.
type Sizes = BTreeMap<String, usize>;

pub(super) fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let allowed = read_ratchet()?;
    let problem = |(place, lines): (String, usize)| match allowed.get(&place) {
        Some(limit) if lines <= *limit => None,
        Some(limit) => Some(format!("{place}: {lines} lines, was {limit}: it may only shrink")),
        None => Some(format!("{place}: {lines} lines, too long")),
    };
    let mut problems: Vec<_> = oversized(workspace)?.into_iter().filter_map(problem).collect();
    for (name, limit) in OPERATORS {
        let lines = operator_lines(workspace, name)?;
        if lines == 0 || lines > limit {
            problems.push(format!(
                "operators/{name} and operators/{name}-plan: {lines} lines without tests, of 1 to {limit}: move what is generic to lib/"
            ));
        }
    }
    Ok(problems)
}

/// The lines of an operator and of its planner.
fn operator_lines(workspace: &Workspace, name: &str) -> Result<usize> {
    let operators = run::root().join("operators");
    let folders = [operators.join(name), operators.join(format!("{name}-plan"))];
    let mut lines = 0;
    for package in &workspace.packages {
        if folders.iter().any(|it| package.folder().is_ok_and(|folder| folder == it)) {
            for path in sources(package)? {
                lines += own_lines(&fs::read_to_string(&path)?, &parse(&path)?);
            }
        }
    }
    Ok(lines)
}

/// The files of a package that are no tests.
fn sources(package: &Package) -> Result<Vec<PathBuf>> {
    let mut files = files::rust(&package.folder()?.join("src"))?;
    files.retain(|it| !it.ends_with("tests.rs"));
    Ok(files)
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
        for file in sources(package)? {
            measure(&file, &mut sizes)?;
        }
    }
    Ok(sizes)
}

fn measure(path: &Path, sizes: &mut Sizes) -> Result<()> {
    let place = path.strip_prefix(run::root()).unwrap_or(path).display().to_string();
    let file = parse(path)?;
    let own = own_lines(&fs::read_to_string(path)?, &file);
    if own > FILE_LINES_MAX {
        sizes.insert(place.clone(), own);
    }
    Functions { place: &place, sizes }.visit_file(&file);
    Ok(())
}

fn parse(path: &Path) -> Result<syn::File> {
    syn::parse_file(&fs::read_to_string(path)?).with_context(|| path.display().to_string())
}

/// The lines of a file without its tests.
fn own_lines(text: &str, file: &syn::File) -> usize {
    let tests: usize = file.items.iter().filter(|it| is_test(it)).map(lines).sum();
    text.lines().count() - tests
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
pub(super) fn is_test(item: &syn::Item) -> bool {
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

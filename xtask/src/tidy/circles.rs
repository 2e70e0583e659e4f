//! The files of a published crate and of an operator do not use each other in a circle, so each can be read after those
//! that it stands on.
//!
//! A file uses another if its code names what the other defines, whichever way the name came there. A parent that
//! declares its children and hands their names on uses none of them. Tests do not count, nor do methods, whose file is
//! not named where they are called.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};

use super::files::Source;
use super::{Workspace, sizes};
use crate::run;

/// A module (each file is one) or something in it, from the root of the crate.
type Path = Vec<String>;
type Files = BTreeMap<Path, File>;

/// File → file that it uses → the names of the latter.
type Uses = BTreeMap<Path, BTreeMap<Path, BTreeSet<String>>>;

pub(super) fn check(workspace: &Workspace, sources: &[Source]) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for package in &workspace.packages {
        let folder = package.folder()?.strip_prefix(run::root())?;
        if folder.starts_with("lib") || folder.starts_with("operators") {
            let circles = circles(&uses(&files(&folder.join("src"), sources)?));
            problems.extend(circles.iter().map(|it| format!("{}: {it}", folder.display())));
        }
    }
    Ok(problems)
}

fn files(src: &std::path::Path, sources: &[Source]) -> Result<Files> {
    let mut files = Files::new();
    for source in sources.iter().filter(|it| !it.path.ends_with("tests.rs")) {
        let Ok(path) = source.path.strip_prefix(src) else { continue };
        let module = path.with_extension("");
        let mut module: Path = module.iter().map(|it| it.to_string_lossy().into()).collect();
        module.pop_if(|it| ["lib", "main"].contains(&it.as_str()));
        files.insert(module, File::read(&source.text).with_context(|| path.display().to_string())?);
    }
    Ok(files)
}

#[derive(Default)]
struct File {
    /// Name here, what it stands for, and whether others get it from here.
    imports: Vec<(String, Path, bool)>,
    /// What else its code names.
    named: Vec<Path>,
}

impl File {
    fn read(text: &str) -> Result<Self> {
        let mut file = Self::default();
        file.visit_file(&syn::parse_file(text)?);
        Ok(file)
    }

    fn import(&mut self, path: &[String], tree: &syn::UseTree, handed_on: bool) {
        let (here, name) = match tree {
            syn::UseTree::Path(it) => {
                return self.import(&[path, &[it.ident.to_string()]].concat(), &it.tree, handed_on);
            }
            syn::UseTree::Group(it) => {
                return it.items.iter().for_each(|it| self.import(path, it, handed_on));
            }
            syn::UseTree::Name(it) if it.ident == "self" => (path.last().cloned(), None),
            syn::UseTree::Name(it) => (Some(it.ident.to_string()), Some(it.ident.to_string())),
            syn::UseTree::Rename(it) => (Some(it.rename.to_string()), Some(it.ident.to_string())),
            syn::UseTree::Glob(_) => (None, Some("*".into())),
        };
        let whole = path.iter().cloned().chain(name).collect();
        self.imports.push((here.unwrap_or_default(), whole, handed_on));
    }
}

impl<'ast> Visit<'ast> for File {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !sizes::is_test(item) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, it: &'ast syn::ItemUse) {
        self.import(&[], &it.tree, !matches!(it.vis, syn::Visibility::Inherited));
    }

    /// `pub(super)` uses nothing.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.named.push(path.segments.iter().map(|it| it.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    /// What a macro is given mostly reads as expressions.
    fn visit_macro(&mut self, it: &'ast syn::Macro) {
        let expressions = Punctuated::<syn::Expr, syn::Token![,]>::parse_terminated;
        let expressions = it.parse_body_with(expressions);
        expressions.iter().flatten().for_each(|it| self.visit_expr(it));
    }
}

fn uses(files: &Files) -> Uses {
    let mut uses = Uses::new();
    for (module, file) in files {
        let imported = file.imports.iter().filter_map(|(_, path, handed_on)| {
            let found = defined(files, module, path, IMPORTS_MAX)?;
            (!handed_on || !found.0.starts_with(module)).then_some(found)
        });
        // A name alone that a module has, too, is a variable.
        let is_module = |it: &[String]| files.contains_key(&[module, it].concat());
        let named = file.named.iter().filter(|it| it.len() > 1 || !is_module(it));
        let named = named.filter_map(|it| defined(files, module, it, IMPORTS_MAX));
        let used = uses.entry(module.clone()).or_default();
        for (target, name) in imported.chain(named).filter(|(target, _)| target != module) {
            used.entry(target).or_default().insert(name);
        }
    }
    uses
}

/// From how many files in a row a name may be handed on.
const IMPORTS_MAX: u8 = 8;

/// The file that defines what a path in a module stands for, and its name there; `None` if it is not of this crate.
fn defined(files: &Files, module: &[String], path: &[String], left: u8) -> Option<(Path, String)> {
    let import = |at: &[String], name: &String| {
        files[at].imports.iter().find(|(it, ..)| it == name).map(|(_, path, _)| path)
    };
    let is_below =
        |at: &[String], it: &String| files.contains_key(&[at, std::slice::from_ref(it)].concat());
    let above = path.iter().take_while(|it| *it == "super").count();
    let (mut at, mut rest) = match path.first()? {
        it if it == "crate" => (Path::new(), &path[1..]),
        it if it == "self" => (module.to_vec(), &path[1..]),
        it if above > 0 || is_below(module, it) || import(module, it).is_some() => {
            (module[..module.len().checked_sub(above)?].to_vec(), &path[above..])
        }
        _ => return None,
    };
    while let Some(name) = rest.first() {
        if is_below(&at, name) {
            at.push(name.clone());
            rest = &rest[1..];
        } else if let Some(path) = import(&at, name).filter(|_| left > 0) {
            return defined(files, &at, &[path, &rest[1..]].concat(), left - 1);
        } else {
            break;
        }
    }
    Some((at, rest.first().cloned().unwrap_or_else(|| "itself".into())))
}

/// Each set of files that reach each other, told by what ties it.
fn circles(uses: &Uses) -> Vec<String> {
    let reached: BTreeMap<_, _> = uses.keys().map(|it| (it, reached(uses, it))).collect();
    let tied = |a: &Path, b: &Path| reached[a].contains(b) && reached[b].contains(a);
    let first = |it: &&Path| tied(it, it) && uses.keys().find(|other| tied(it, other)) == Some(*it);
    let told = |circle: &Path| {
        let ties = uses.iter().filter(|(from, _)| tied(circle, from)).flat_map(|(from, used)| {
            let used = used.iter().filter(|(to, _)| tied(circle, to));
            used.map(|(to, names)| tie(from, to, names))
        });
        format!("files use each other in a circle: {}", ties.collect::<Vec<_>>().join("; "))
    };
    uses.keys().filter(first).map(told).collect()
}

fn tie(from: &Path, to: &Path, names: &BTreeSet<String>) -> String {
    let file = |it: &Path| if it.is_empty() { "lib".to_owned() } else { it.join("/") };
    let names = names.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    format!("{} uses {} ({names})", file(from), file(to))
}

/// Every file that one uses, directly or through others.
fn reached<'a>(uses: &'a Uses, from: &Path) -> BTreeSet<&'a Path> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&Path> = uses[from].keys().collect();
    while let Some(file) = next.pop() {
        if reached.insert(file) {
            next.extend(uses[file].keys());
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The circles of a crate with these files.
    fn of(files: &[(&str, &str)]) -> Vec<String> {
        let source = |(path, text): &(&str, &str)| Source {
            path: format!("src/{path}.rs").into(),
            text: (*text).to_owned(),
        };
        let sources: Vec<_> = files.iter().map(source).collect();
        circles(&uses(&super::files("src".as_ref(), &sources).expect("Rust")))
    }

    #[test]
    fn circles_are_told_by_what_ties_them() {
        let told = |ties: &str| vec![format!("files use each other in a circle: {ties}")];
        let lib = ("lib", "mod a; mod b; mod c; pub use a::A; pub use b::*;");
        let (a, b) = (("a", "use crate::b::B; pub struct A;"), ("b", "pub fn f() { super::A; }"));
        assert_eq!(of(&[lib, a, b]), told("a uses b (B); b uses a (A)"));
        let (b, c) = (("b", "use crate::c; fn f() { c::C }"), ("c", "fn f() { g!(crate::A) }"));
        assert_eq!(of(&[lib, a, b, c]), told("a uses b (B); b uses c (C, itself); c uses a (A)"));
        let (a, child) = (("a", "mod x; fn f() { x::g() } struct A;"), ("a/x", "use super::A;"));
        assert_eq!(of(&[lib, a, child]), told("a uses a/x (g); a/x uses a (A)"));
    }

    #[test]
    fn names_handed_on_tests_and_variables_tie_nothing() {
        let child = ("a/x", "use super::A; pub struct X;");
        let parents = [
            "mod x; pub use x::X; struct A;",
            "mod x; struct A; fn f() { let x = 1; x; }",
            "mod x; struct A; #[cfg(test)] mod tests { use super::x::X; }",
            "mod x; struct A; impl A { pub(super) fn f(&self) { self.x() } }",
        ];
        for parent in parents {
            assert_eq!(of(&[("lib", "mod a;"), ("a", parent), child]), [""; 0], "{parent}");
        }
        let sibling = ("a/y", "use super::X;");
        let parent = ("a", "mod x; mod y; pub use x::X;");
        assert_eq!(of(&[("lib", "mod a;"), parent, ("a/x", "pub struct X;"), sibling]), [""; 0]);
    }
}

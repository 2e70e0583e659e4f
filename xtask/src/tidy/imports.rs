//! Imports are one `use` a module: `use crate::plan::{Action, Plan};`. A tree of modules in one `use` hides where a
//! name comes from, and conflicts with every other change of it.

use super::files::Source;

pub(super) fn check(sources: &[Source]) -> Vec<String> {
    let nested = sources.iter().flat_map(|it| nested(&it.text).map(move |line| (&it.path, line)));
    nested.map(|(path, line)| format!("{}:{line}: one `use` a module", path.display())).collect()
}

/// The line of each import that names modules within its braces.
fn nested(text: &str) -> impl Iterator<Item = usize> {
    let lines = text.lines().scan(0, |offset, line| {
        let start = *offset;
        *offset += line.len() + 1;
        Some((start, line))
    });
    lines.zip(1..).filter(|((start, line), _)| is_nested(text, *start, line)).map(|(_, it)| it)
}

fn is_nested(text: &str, start: usize, line: &str) -> bool {
    let is_import = ["use ", "pub use ", "pub(crate) use ", "pub(super) use "];
    let is_import = is_import.iter().any(|it| line.trim_start().starts_with(it));
    let statement = text[start..].split(';').next().unwrap_or_default();
    is_import && statement.split_once('{').is_some_and(|(_, names)| names.contains("::"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_of_modules_is_told_with_its_line() {
        let found = |text: &str| nested(text).collect::<Vec<usize>>();
        assert_eq!(found("//! A file.\n\nuse crate::{\n    a::B,\n    c::D,\n};\n"), vec![3]);
        assert_eq!(found("    pub(crate) use super::{a::{self, B}, c};"), vec![1]);
        let good = "use a::b::{self, C};\nuse d;\n\nfn f() { g::<{ h::I }>() }\n";
        assert_eq!(found(good), Vec::<usize>::new());
    }
}

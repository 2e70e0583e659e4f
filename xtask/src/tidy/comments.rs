//! Comments are at most 120 columns wide. Code is at most 100, which rustfmt sees to; it leaves comments alone.

use super::files::Source;

const WIDTH_MAX: usize = 120;

pub(super) fn check(sources: &[Source]) -> Vec<String> {
    let problem = |source: &Source, line: usize, width: usize| {
        let place = source.path.display();
        format!("{place}:{line}: a comment of {width} columns: break it at {WIDTH_MAX}")
    };
    sources
        .iter()
        .flat_map(|source| {
            too_wide(&source.text).map(move |(line, width)| problem(source, line, width))
        })
        .collect()
}

/// Line and width of each comment that is too wide. Rows of tables cannot be broken, and are free.
fn too_wide(text: &str) -> impl Iterator<Item = (usize, usize)> {
    let lines = text.lines().zip(1..).filter(|(line, _)| is_prose(line));
    lines
        .map(|(line, number)| (number, line.chars().count()))
        .filter(|(_, width)| *width > WIDTH_MAX)
}

fn is_prose(line: &str) -> bool {
    let Some(comment) = line.trim_start().strip_prefix("//") else { return false };
    !comment.trim_start_matches(['/', '!', ' ']).starts_with('|')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wide_comment_is_told_with_its_line() {
        let wide = |prefix: &str| format!("{prefix}{}", "x".repeat(121 - prefix.len()));
        let found = |text: &str| too_wide(text).collect::<Vec<_>>();
        for prefix in ["// ", "/// ", "//! ", "    /// "] {
            assert_eq!(found(&format!("fn f() {{}}\n{}", wide(prefix))), [(2, 121)], "{prefix}");
        }
        assert_eq!(found(&wide("// ")[..120]), [], "120 columns fit");
        assert_eq!(found(&wide("let x = \"")), [], "code is rustfmt's");
        assert_eq!(found(&wide("//! | a table | ")), []);
    }
}

//! The form of Amazon's `credentials` and `config` files.

use std::collections::BTreeMap;

/// The keys of a section. The error is the number of the first line that is none of the form.
pub(crate) fn section(text: &str, wanted: &str) -> Result<BTreeMap<String, String>, usize> {
    let mut found = BTreeMap::new();
    let mut inside = false;
    for (index, line) in text.lines().map(str::trim).enumerate() {
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
            inside = name.trim() == wanted;
            continue;
        }
        let (key, value) = line.split_once('=').ok_or(index + 1)?;
        if inside {
            found.insert(key.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::section;

    #[test]
    fn a_section_of_several() {
        let text = "# mine\n[other]\na = 1\n\n[ default ]\nA = 2 = 3\nb=\n; no\n[last]\na = 4";
        let found = section(text, "default").expect("the form");
        let found: Vec<_> =
            found.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(found, [("a", "2 = 3"), ("b", "")]);
        assert_eq!(section("", "default"), Ok(Default::default()));
        assert_eq!(section("[default]\nnonsense", "default"), Err(2));
    }
}

//! Sets of indexes, written as `0,2-4,7`.

use std::collections::BTreeSet;

pub(super) fn parse(text: &str) -> BTreeSet<i32> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse::<i32>().ok()?..=last.parse().ok()?)
    };
    text.split(',').filter_map(range).flatten().collect()
}

pub(super) fn render(indexes: &BTreeSet<i32>) -> String {
    let mut ranges: Vec<(i32, i32)> = vec![];
    for index in indexes {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == *index => *last = *index,
            _ => ranges.push((*index, *index)),
        }
    }
    let text = |(first, last): &(i32, i32)| match last - first {
        0 => first.to_string(),
        1 => format!("{first},{last}"),
        _ => format!("{first}-{last}"),
    };
    ranges.iter().map(text).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_short_and_read_back() {
        let indexes = BTreeSet::from([0, 2, 3, 4, 7, 8]);
        assert_eq!(render(&indexes), "0,2-4,7,8");
        assert_eq!(parse("0,2-4,7,8"), indexes);
        assert!(parse("").is_empty());
    }
}

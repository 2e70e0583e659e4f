//! Counts that may be given as percentages.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// Which way a fraction of a pod goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Round {
    Up,
    Down,
}

/// The count that a value means for a total. A text that is not a percentage (the API lets none in) means none.
pub fn resolve(value: &IntOrString, total: i32, round: Round) -> i32 {
    match value {
        IntOrString::Int(count) => *count,
        IntOrString::String(text) => {
            let Some(percent) = text.strip_suffix('%').and_then(|it| it.parse::<i64>().ok()) else {
                return 0;
            };
            let product = percent.saturating_mul(i64::from(total));
            let count = match round {
                Round::Up => product.saturating_add(99).div_euclid(100),
                Round::Down => product.div_euclid(100),
            };
            i32::try_from(count).unwrap_or(i32::MAX)
        }
    }
}

/// A count of objects in the width that the API uses.
pub fn count(objects: usize) -> i32 {
    i32::try_from(objects).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_round_as_asked() {
        let percent = IntOrString::String("25%".into());
        assert_eq!(resolve(&percent, 10, Round::Up), 3);
        assert_eq!(resolve(&percent, 10, Round::Down), 2);
        assert_eq!(resolve(&percent, 0, Round::Up), 0);
        assert_eq!(resolve(&IntOrString::Int(4), 10, Round::Up), 4);
        assert_eq!(resolve(&IntOrString::String("four".into()), 10, Round::Up), 0);
    }
}

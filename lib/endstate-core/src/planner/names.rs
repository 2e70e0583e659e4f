//! Member names: used once, and readable.

/// Letters and digits that form no words and are not mistaken for each other.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// How many letters a suffix has.
const LETTERS: u32 = 5;

/// The name of the member with this serial number.
///
/// The suffix is a permutation of the serial number, chosen by the seed: no two serial numbers of one
/// object give the same name (up to 27⁵), and two objects of one name have different members.
///
/// ```
/// use endstate_core::member_name;
/// let first = member_name("example", 12, 0);
/// assert_ne!(first, member_name("example", 12, 1));
/// assert_ne!(first, member_name("example", 13, 0));
/// assert!(first.starts_with("example-") && first.len() == "example-".len() + 5);
/// ```
pub fn member_name(cluster: &str, seed: u64, serial: u64) -> crate::MemberName {
    let base = ALPHABET.len() as u64;
    let mut rest = permuted(seed, serial);
    let mut name = format!("{cluster}-");
    for _ in 0..LETTERS {
        let letter = usize::try_from(rest % base).expect("less than 27");
        name.push(char::from(ALPHABET[letter]));
        rest /= base;
    }
    name.into()
}

/// The place of a serial number among all suffixes.
fn permuted(seed: u64, serial: u64) -> u64 {
    let count = (ALPHABET.len() as u64).pow(LETTERS);
    // A factor that shares no divisor with 27⁵ makes the map one to one.
    let factor = match (seed >> 24) % count {
        it if it % 3 == 0 => it + 1,
        it => it,
    };
    (factor * (serial % count) + seed % count) % count
}

/// Whether this is one of the first so many names.
pub(crate) fn is_member_name(cluster: &str, seed: u64, names: u64, name: &str) -> bool {
    let suffix = name.strip_prefix(cluster).and_then(|it| it.strip_prefix('-'));
    let number = |text: &str| {
        let digits = text.bytes().rev().map(|letter| {
            ALPHABET.iter().position(|it| *it == letter).and_then(|it| u64::try_from(it).ok())
        });
        digits
            .collect::<Option<Vec<_>>>()
            .map(|it| it.into_iter().fold(0, |sum, digit| sum * ALPHABET.len() as u64 + digit))
    };
    let Some(text) = suffix.filter(|it| it.len() == LETTERS as usize) else { return false };
    number(text).is_some_and(|wanted| (0..names).any(|it| permuted(seed, it) == wanted))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_names_that_were_given_out_are_known() {
        for seed in [0, 3, 0x9e37_79b9_7f4a_7c15] {
            for serial in 0..40 {
                let name = member_name("c", seed, serial);
                assert_eq!(is_member_name("c", seed, 20, &name), serial < 20, "{name}");
            }
            assert!(
                ["c", "c-", "c-bbbb", "d-bbbbb", "c-bbbba"]
                    .iter()
                    .all(|it| !is_member_name("c", seed, 20, it))
            );
        }
    }

    #[test]
    fn names_do_not_repeat() {
        for seed in [0, 1, 3, u64::MAX, 0x9e37_79b9_7f4a_7c15] {
            let names: HashSet<_> = (0..20_000).map(|it| member_name("c", seed, it)).collect();
            assert_eq!(names.len(), 20_000, "seed {seed}");
        }
    }
}

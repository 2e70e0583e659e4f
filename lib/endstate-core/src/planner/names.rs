//! Member names: used once, and readable.

/// Letters and digits that form no words and are not mistaken for each other.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// How many letters a suffix has.
const LETTERS: u32 = 5;

/// How many suffixes there are.
const COUNT: u64 = (ALPHABET.len() as u64).pow(LETTERS);

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
    (factor(seed) * (serial % COUNT) + seed % COUNT) % COUNT
}

/// A factor that shares no divisor with 27⁵, which makes the map one to one.
fn factor(seed: u64) -> u64 {
    match (seed >> 24) % COUNT {
        it if it % 3 == 0 => it + 1,
        it => it,
    }
}

/// Whether this is one of the first so many names.
pub(crate) fn is_member_name(cluster: &str, seed: u64, names: u64, name: &str) -> bool {
    serial_of(cluster, seed, name).is_some_and(|it| it < names)
}

/// The serial number of a name; every suffix has one.
pub(crate) fn serial_of(cluster: &str, seed: u64, name: &str) -> Option<u64> {
    let suffix = name.strip_prefix(cluster)?.strip_prefix('-')?;
    let text = Some(suffix).filter(|it| it.len() == LETTERS as usize)?;
    let place = text.bytes().rev().try_fold(0, |sum, letter| {
        let digit = ALPHABET.iter().position(|it| *it == letter)? as u64;
        Some(sum * ALPHABET.len() as u64 + digit)
    })?;
    Some((place + COUNT - seed % COUNT) % COUNT * inverse(factor(seed)) % COUNT)
}

/// The number that undoes a multiplication among all suffixes: by Euler's theorem a power of the factor, since 27⁵ is
/// 3¹⁵ and has 2·3¹⁴ numbers that share no divisor with it.
fn inverse(factor: u64) -> u64 {
    let (mut power, mut base, mut result) = (2 * 3_u64.pow(14) - 1, factor, 1);
    while power > 0 {
        if power % 2 == 1 {
            result = result * base % COUNT;
        }
        (base, power) = (base * base % COUNT, power / 2);
    }
    result
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
                assert_eq!(serial_of("c", seed, &name), Some(serial), "{name}");
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

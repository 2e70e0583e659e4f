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
    let count = base.pow(LETTERS);
    // A factor that shares no divisor with 27⁵ makes the map one to one.
    let factor = match (seed >> 24) % count {
        it if it % 3 == 0 => it + 1,
        it => it,
    };
    let mut rest = (factor * (serial % count) + seed % count) % count;
    let mut name = format!("{cluster}-");
    for _ in 0..LETTERS {
        let letter = usize::try_from(rest % base).expect("less than 27");
        name.push(char::from(ALPHABET[letter]));
        rest /= base;
    }
    name.into()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_do_not_repeat() {
        for seed in [0, 1, 3, u64::MAX, 0x9e37_79b9_7f4a_7c15] {
            let names: HashSet<_> = (0..20_000).map(|it| member_name("c", seed, it)).collect();
            assert_eq!(names.len(), 20_000, "seed {seed}");
        }
    }
}

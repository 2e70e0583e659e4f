//! Which pod addresses are in use. Node `i` gives out 10.244.(i+1).2 to .254.
//!
//! A released address is given out again only after all others of its node, so that a client that still remembers a
//! dead pod does not meet a stranger.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

const FIRST: u8 = 2;
const LAST: u8 = 254;

#[derive(Debug, Default)]
pub(crate) struct Ipam {
    used: BTreeSet<Ipv4Addr>,
    /// The last byte given out, per node.
    last: Vec<u8>,
}

impl Ipam {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// The network of a node's pods.
    pub(crate) fn cidr(node: u16) -> String {
        format!("{}/24", address(node, 0))
    }

    pub(crate) fn allocate(&mut self, node: u16) -> Option<Ipv4Addr> {
        let index = usize::from(node);
        if self.last.len() <= index {
            self.last.resize(index + 1, FIRST - 1);
        }
        let count = u16::from(LAST - FIRST) + 1;
        for _ in 0..count {
            let last = &mut self.last[index];
            *last = if *last >= LAST { FIRST } else { *last + 1 };
            let candidate = address(node, *last);
            if self.used.insert(candidate) {
                return Some(candidate);
            }
        }
        None
    }

    pub(crate) fn release(&mut self, address: Ipv4Addr) {
        self.used.remove(&address);
    }
}

fn address(node: u16, low: u8) -> Ipv4Addr {
    let third = u8::try_from(node + 1).expect("bounded by NODES_MAX");
    Ipv4Addr::new(10, 244, third, low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_unique_and_reused_last() {
        let mut ipam = Ipam::new();
        let first = ipam.allocate(0).unwrap();
        assert_eq!(first, Ipv4Addr::new(10, 244, 1, 2));
        ipam.release(first);
        let rest: Vec<_> = std::iter::from_fn(|| ipam.allocate(0)).collect();
        assert_eq!(rest.len(), 253);
        assert_eq!(rest.last(), Some(&first));
        assert_eq!(ipam.allocate(0), None);
        assert_eq!(ipam.allocate(1), Some(Ipv4Addr::new(10, 244, 2, 2)));
        ipam.release(rest[7]);
        assert_eq!(ipam.allocate(0), Some(rest[7]));
    }
}

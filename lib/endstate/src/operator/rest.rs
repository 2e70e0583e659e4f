//! How often clusters at rest are looked at: all of them share so many looks.
//!
//! Most of what happens to a cluster wakes it: pods report, the connection to a member ends, an object changes. What
//! does not (data that differs, a database that fills) is found by looking. With a fixed tick what that costs would
//! grow with the number of clusters, so the looks are shared: the more clusters there are, the longer each rests.

use std::time::Duration;

use endstate_core::AT_REST_MS;

/// One look of all clusters together in this time: ten clusters are looked at every 30 seconds.
const APART: Duration = Duration::from_secs(3);
/// No cluster rests longer.
const LONGEST: Duration = Duration::from_secs(3600);

/// When to look again, by when the plan wants to and how many clusters there are.
pub(super) fn after(wanted_ms: u32, clusters: usize) -> Duration {
    let wanted = Duration::from_millis(wanted_ms.into());
    if wanted_ms < AT_REST_MS {
        return wanted;
    }
    let shared = APART.saturating_mul(u32::try_from(clusters).unwrap_or(u32::MAX));
    wanted.max(shared.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_clusters_at_rest_are_looked_at_as_often_as_ten() {
        let looks = |clusters: u32| {
            let each = after(AT_REST_MS, clusters as usize).as_secs_f64();
            f64::from(clusters) / each
        };
        assert_eq!(after(AT_REST_MS, 1), Duration::from_secs(30));
        assert!((looks(10) - looks(1_000)).abs() < 1e-9, "{} and {}", looks(10), looks(1_000));
        assert_eq!(after(AT_REST_MS, 1_000_000), LONGEST);
    }

    #[test]
    fn what_is_on_its_way_is_looked_at_as_soon_as_it_wants() {
        for wanted in [1, 250, 5_000, AT_REST_MS - 1] {
            assert_eq!(after(wanted, 1_000), Duration::from_millis(wanted.into()));
        }
    }
}

//! `cargo xtask test --real`: stories of the embedded cluster's tests, told again on a real Kubernetes.

use std::time::Instant;

use anyhow::{Result, bail, ensure};

use crate::oracle::{self, Oracle};
use crate::{build, run};

/// As many as the stories that empty nodes want.
const NODES: u8 = 3;

/// The tests of `crates/harness` that make sense there: none that needs a power cut, or what only our node has.
const STORIES: [&str; 28] = [
    "anywhere::an_operator_serves_on_any_kubernetes",
    "anywhere::an_ensemble_serves_on_any_kubernetes",
    "faults::a_cluster_heals_grows_and_shrinks",
    "faults::each_member_in_turn_survives_kill_9",
    "faults::a_member_that_hangs_shows_and_comes_back",
    "faults::the_operator_may_die_at_any_moment",
    "faults::the_operator_rolls_and_hands_its_lease_over",
    "faults::losing_every_member_is_reported_and_never_re_initialised",
    "etcd_volumes::a_cluster_comes_back_from_the_loss_of_all_its_pods",
    "etcd_volumes::a_cluster_hibernates_and_wakes_with_its_data",
    "hand::a_deleted_status_is_made_again",
    "hand::members_whose_pods_and_record_are_gone_resume_by_consent",
    "hand::members_that_people_remove_and_add_are_seen",
    "hand::volumes_that_a_cluster_left_are_adopted_by_consent",
    "tls::a_new_cluster_lets_in_who_has_a_certificate",
    "tls::tls_is_turned_on_and_off_under_a_writer",
    "tls::tls_is_turned_on_and_off_where_members_are_moved",
    "auth::authentication_is_turned_on_and_off_under_a_writer",
    "auth::users_have_passwords_where_there_is_no_tls",
    "versions::a_cluster_goes_up_every_minor_and_back",
    "versions::a_change_of_the_minor_is_turned_back_on_the_way",
    "drains::a_drain_of_any_node_ends_and_members_spread_again",
    "drains::where_no_node_takes_a_member_it_stays_and_says_so",
    "evictions::the_member_of_an_evicted_pod_is_moved_and_the_eviction_answered",
    "plan::an_operator_says_what_it_would_do_and_does_nothing_of_it",
    "zookeeper::an_ensemble_grows_and_shrinks_under_writes",
    "zookeeper::a_new_minor_version_costs_one_election_and_a_new_password_another",
    "zookeeper::a_wiped_follower_is_replaced_and_the_loss_of_all_is_reported",
];

/// Runs those whose name contains the filter, one after the other.
pub(super) fn run(filter: Option<&str>) -> Result<()> {
    let wanted = |it: &&&str| filter.is_none_or(|filter| it.contains(filter));
    let stories: Vec<_> = STORIES.iter().filter(wanted).collect();
    ensure!(!stories.is_empty(), "no story for a real Kubernetes has {filter:?} in its name");
    let test = || {
        let mut test = run::cargo();
        test.args(["test", "--quiet", "--locked", "--package", "harness", "--test", "it"]);
        test
    };
    run::check(test().arg("--no-run"))?;
    let interruptions = oracle::interruptions()?;
    let (endstate, oracle) = (build::endstate()?, Oracle::start(NODES)?);
    let mut failed: Vec<&str> = vec![];
    for story in stories {
        let start = Instant::now();
        let mut test = test();
        test.args(["--", "--exact", "--nocapture", story]);
        test.env("ENDSTATE_BIN", &endstate).env("ENDSTATE_TEST_KUBERNETES", oracle.folder());
        let outcome = run::check(&mut test);
        ensure!(interruptions.try_recv().is_err(), "interrupted");
        let word = if outcome.is_ok() { "ok" } else { "FAILED" };
        eprintln!("{word} {story} {:.0} s", start.elapsed().as_secs_f64());
        failed.extend(outcome.is_err().then_some(*story));
    }
    if failed.is_empty() {
        return Ok(());
    }
    bail!("{} stories failed on a real Kubernetes: {failed:?}", failed.len())
}

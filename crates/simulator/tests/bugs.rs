//! The checker can fail: bugs that other operators had are found, with the way there.

#![expect(clippy::print_stdout, reason = "what was found is for people to read")]

use simulator::{
    Asks, Budgets, EtcdModel, Planner, Property, Report, Respec, Scenario, Start, Volumes, bugs,
    check,
};

fn scenario(start: Start, sizes: &'static [[u8; 2]], budgets: Budgets) -> Scenario {
    Scenario::new("bug", start, sizes, budgets)
}

/// Explores without etcd's own check of changes.
fn check_lax(scenario: &Scenario, planner: Planner) -> Report {
    let model = EtcdModel { strict: false, ..EtcdModel::of(scenario) };
    endstate_check::cluster::check(scenario, model, planner)
}

/// Explores, and returns what was found as a script.
fn found(scenario: &Scenario, planner: Planner) -> (Option<Property>, String) {
    found_by(check, scenario, planner)
}

fn found_by(
    check: fn(&Scenario, Planner) -> Report,
    scenario: &Scenario,
    planner: Planner,
) -> (Option<Property>, String) {
    let report = check(scenario, planner).explored;
    assert!(report.complete || report.finding.is_some());
    let text = report.finding.as_ref().map(ToString::to_string).unwrap_or_default();
    println!("{text}");
    (report.finding.map(|it| it.property), text)
}

/// E2: a seed that is started `new` again on an empty directory.
#[test]
fn a_second_start_is_found() {
    let evicted =
        scenario(Start::Running([3, 0]), &[[3, 0]], Budgets { evict: 1, ..Budgets::default() });
    let (property, script) = found(&evicted, bugs::starts_new_again());
    assert_eq!(property, Some(Property::NoSecondStart));
    assert!(script.contains("creates the pod (new) of"), "{script}");
    let (property, script) = found(&evicted, bugs::starts_new_again().linted());
    assert_eq!(property, Some(Property::Lint));
    assert!(script.contains("S5 a cluster is started once"), "{script}");
    assert_eq!(found(&evicted, Planner::shipped()).0, None);
}

/// E2 in place: without the launcher a wiped first member votes on an empty directory, whatever the
/// planner does.
#[test]
fn the_launcher_is_needed() {
    let mut wiped =
        scenario(Start::Running([3, 0]), &[[3, 0]], Budgets { wipe: 1, ..Budgets::default() });
    assert_eq!(found(&wiped, Planner::shipped()).0, None);
    wiped.launcher = false;
    assert_eq!(found(&wiped, Planner::shipped()).0, Some(Property::NoSecondStart));
}

/// E3: a crash between adding a learner and making its pod leaves a learner that is never promoted.
#[test]
fn a_learner_without_a_pod_is_found() {
    let mut grown = scenario(Start::Running([1, 0]), &[[3, 0]], Budgets::default());
    assert_eq!(found(&grown, bugs::promotes_first()).0, None, "without a crash nobody notices");
    grown.budgets.abort = 1;
    let (property, script) = found(&grown, bugs::promotes_first());
    assert_eq!(property, Some(Property::Reconciles));
    assert!(script.contains("! operator crashes"), "{script}");
    let (property, script) = found(&grown, bugs::promotes_first().linted());
    assert_eq!(property, Some(Property::Lint));
    assert!(script.contains("would start empty with a vote, or told of other members"), "{script}");
    assert_eq!(found(&grown, Planner::shipped()).0, None);
}

/// A quorum race: a voter that works is removed while another is down.
#[test]
fn a_lost_quorum_is_found() {
    let shrunk =
        scenario(Start::Running([3, 0]), &[[1, 0]], Budgets { kill: 1, ..Budgets::default() });
    let (property, script) = found_by(check_lax, &shrunk, bugs::removes_blindly());
    assert_eq!(property, Some(Property::KeepsQuorum));
    assert!(script.contains("is killed"), "{script}");
    let (property, script) = found_by(check_lax, &shrunk, bugs::removes_blindly().linted());
    assert_eq!(property, Some(Property::Lint));
    assert!(script.contains("S1 no action takes the quorum away"), "{script}");
    assert_eq!(
        found_by(check_lax, &shrunk, Planner::shipped()).0,
        None,
        "it asks before, etcd or no etcd"
    );
    // etcd's own check is the second line: it refuses what the bug asks for.
    assert_ne!(found(&shrunk, bugs::removes_blindly()).0, Some(Property::KeepsQuorum));
}

/// Explores with a bug, and without it, and with it behind the linter.
fn caught(scenario: &Scenario, bug: Planner, property: Property) {
    caught_by(check, scenario, bug, property);
}

fn caught_by(
    check: fn(&Scenario, Planner) -> Report,
    scenario: &Scenario,
    bug: Planner,
    property: Property,
) {
    assert_eq!(found_by(check, scenario, bug).0, Some(property));
    assert_eq!(found_by(check, scenario, bug.linted()).0, Some(Property::Lint));
    assert_eq!(found_by(check, scenario, Planner::shipped()).0, None);
}

#[test]
fn a_second_disruption_is_found() {
    let edited =
        scenario(Start::Running([3, 0]), &[[3, 0]], Budgets { edit: 1, ..Budgets::default() });
    let edited = Scenario { respec: Respec::Restart, ..edited };
    caught(&edited, bugs::restarts_all_at_once(), Property::OneDisruption);
}

/// A voter that follows no leader is reached by the operator, and is no part of the quorum.
#[test]
fn a_voter_that_follows_nobody_is_found() {
    let budgets = Budgets { cut: 1, edit: 1, ..Budgets::default() };
    let edited = scenario(Start::Running([3, 0]), &[[3, 0]], budgets);
    let edited = Scenario { respec: Respec::Restart, ..edited };
    caught(&edited, bugs::counts_who_follows_nobody(), Property::KeepsQuorum);
    let cut = Budgets { cut: 1, ..Budgets::default() };
    let shrunk = scenario(Start::Running([3, 0]), &[[1, 0]], cut);
    caught_by(check_lax, &shrunk, bugs::counts_who_follows_nobody(), Property::KeepsQuorum);
    let grown = scenario(Start::Running([1, 0]), &[[3, 0]], cut);
    caught_by(check_lax, &grown, bugs::counts_who_follows_nobody(), Property::KeepsQuorum);
}

/// Corrupt data. That nobody replaces a member is for the checker alone.
#[test]
fn an_alarm_that_is_not_heard_is_found() {
    let corrupt = Budgets { corrupt: 1, ..Budgets::default() };
    let steady = scenario(Start::Running([3, 0]), &[[3, 0]], corrupt);
    assert_eq!(found(&steady, bugs::hears_no_alarm()).0, Some(Property::Reconciles));
    assert_eq!(found(&steady, Planner::shipped()).0, None);
    let shrunk = scenario(Start::Running([3, 0]), &[[1, 0]], corrupt);
    caught(&shrunk, bugs::hears_no_alarm(), Property::KeepsGoodData);
}

/// Corrupt data that no alarm tells of. That nobody replaces a member is for the checker alone.
#[test]
fn a_comparison_that_is_not_heard_is_found() {
    let corrupt = Budgets { corrupt: 1, ..Budgets::default() };
    let steady = scenario(Start::Running([3, 0]), &[[3, 0]], corrupt).silent();
    assert_eq!(found(&steady, bugs::hears_no_comparison()).0, Some(Property::Reconciles));
    assert_eq!(found(&steady, Planner::shipped()).0, None);
    let shrunk = scenario(Start::Running([3, 0]), &[[1, 0]], corrupt).silent();
    caught(&shrunk, bugs::hears_no_comparison(), Property::KeepsGoodData);
}

/// What etcd's users make it say is no evidence. That nothing is lost is for the checker alone.
#[test]
fn a_word_that_is_believed_is_found() {
    let killed =
        scenario(Start::Running([3, 0]), &[[3, 0]], Budgets { kill: 1, ..Budgets::default() });
    caught(&killed, bugs::believes_words(), Property::KeepsWhole);
    let all =
        scenario(Start::Running([3, 0]), &[[3, 0]], Budgets { kill: 3, ..Budgets::default() });
    assert_eq!(found(&all, Planner::shipped()).0, None);
    let alone =
        scenario(Start::Running([1, 0]), &[[1, 0]], Budgets { kill: 1, ..Budgets::default() });
    assert_eq!(found(&alone, bugs::believes_words()).0, Some(Property::HonestStatus));
    let crashing =
        scenario(Start::Running([3, 0]), &[[3, 0]], Budgets { crash: 2, ..Budgets::default() });
    assert_eq!(found(&crashing, bugs::believes_words()).0, Some(Property::HonestStatus));
    assert_eq!(found(&crashing, Planner::shipped()).0, None);
}

#[test]
fn a_blank_voter_is_found() {
    let evicted =
        scenario(Start::Running([3, 0]), &[[3, 0]], Budgets { evict: 1, ..Budgets::default() });
    caught(&evicted, bugs::reuses_names(), Property::NoBlankVoter);
}

/// A name is asked for once, unless the API certainly made no pod of it.
#[test]
fn a_forgotten_request_is_found() {
    let evicted = scenario(Start::Empty, &[[3, 0]], Budgets { evict: 1, ..Budgets::default() });
    let bug = bugs::forgets_what_it_asked_for();
    assert_eq!(found(&evicted, bug).0, Some(Property::NoSecondStart));
    let (property, script) = found(&evicted, bug.linted());
    assert_eq!(property, Some(Property::Lint));
    assert!(script.contains("it is forgotten that"), "{script}");
}

/// Of several pods the API refused to make one; what became of the others is another matter.
#[test]
fn a_refusal_that_is_heard_for_all_is_found() {
    let budgets = Budgets { refuse: 1, evict: 1, ..Budgets::default() };
    let refused = scenario(Start::Empty, &[[3, 0]], budgets);
    caught(&refused, bugs::forgets_all_that_it_asked_for(), Property::NoSecondStart);
}

#[test]
fn a_deleted_voter_is_found() {
    let shrunk = scenario(Start::Running([3, 0]), &[[1, 0]], Budgets::default());
    caught(&shrunk, bugs::deletes_first(), Property::KeepsData);
}

#[test]
fn a_second_learner_is_found() {
    let grown = scenario(Start::Running([1, 0]), &[[3, 0]], Budgets::default());
    caught_by(check_lax, &grown, bugs::adds_many(), Property::OneJoin);
}

/// E1: a deleted pod is taken for a smaller size, and nobody comes instead. The linter does not know
/// what is asked for, so these two are for the checker alone.
#[test]
fn a_cluster_that_stays_too_small_is_found() {
    let evicted =
        scenario(Start::Running([5, 0]), &[[5, 0]], Budgets { evict: 1, ..Budgets::default() });
    let (property, script) = found(&evicted, bugs::shrinks_to_what_it_sees());
    assert_eq!(property, Some(Property::Reconciles));
    assert!(script.contains("somebody deletes the pod"), "{script}");
}

#[test]
fn a_needless_removal_is_found() {
    let steady = scenario(Start::Running([3, 0]), &[[3, 0]], Budgets::default());
    assert_eq!(found(&steady, bugs::counts_from_zero()).0, Some(Property::KeepsSize));
    assert_eq!(found(&steady, Planner::shipped()).0, None);
}

/// A pod of a start that was abandoned comes late, and forms a cluster of its own. Whom clients may find the linter
/// does not know.
#[test]
fn a_pod_of_another_start_that_is_served_is_found() {
    let budgets = Budgets { late: 1, evict: 1, ..Budgets::default() };
    let late = scenario(Start::Empty, &[[1, 0]], budgets);
    assert_eq!(found(&late, bugs::serves_every_pod()).0, Some(Property::ServesMembers));
    assert_eq!(found(&late, Planner::shipped()).0, None);
}

/// S11: for the checker only, because the linter sees no more than the planner.
#[test]
fn a_false_claim_is_found() {
    let killed =
        scenario(Start::Running([3, 0]), &[[3, 0]], Budgets { kill: 2, ..Budgets::default() });
    assert_eq!(found(&killed, bugs::trusts_pods()).0, Some(Property::HonestStatus));
    assert_eq!(found(&killed, Planner::shipped()).0, None);
}

/// E9: a status that somebody deleted is no reason to begin again, nor to forget a member.
#[test]
fn a_start_beside_a_forgotten_cluster_is_found() {
    let budgets = Budgets { forget: 1, ..Budgets::default() };
    let forgotten = scenario(Start::Running([3, 0]), &[[3, 0]], budgets);
    let (property, script) = found(&forgotten, bugs::begins_after_forgetting());
    assert!(property.is_some(), "{script}");
    assert!(script.contains("somebody deletes the status"), "{script}");
    assert_eq!(found(&forgotten, Planner::shipped()).0, None);
    let killed = Scenario { budgets: Budgets { kill: 1, ..budgets }, ..forgotten };
    let (property, script) = found(&killed, bugs::believes_a_few());
    assert!(property.is_some(), "{script}");
    assert_eq!(found(&killed, Planner::shipped()).0, None);
}

/// Who deletes the pods of a cordoned node takes the quorum of two away.
#[test]
fn an_eviction_of_one_of_two_is_found() {
    let budgets = Budgets { cordon: 1, ..Budgets::default() };
    let drained = scenario(Start::Running([2, 0]), &[[2, 0]], budgets);
    let (property, script) = found(&drained, bugs::evicts());
    assert!(property.is_some() && script.contains("somebody cordons the node"), "{script}");
    assert_eq!(found(&drained, bugs::evicts().linted()).0, Some(Property::Lint));
    assert_eq!(found(&drained, Planner::shipped()).0, None);
}

/// A claim that was refused is missed by a pod that waits for it, and by nobody else.
#[test]
fn a_claim_that_is_asked_for_once_is_found() {
    let refused = Budgets { refuse: 1, ..Budgets::default() };
    let created = scenario(Start::Empty, &[[1, 0]], refused).on(Volumes::Pairs);
    let (property, script) = found(&created, bugs::asks_once_for_claims());
    assert_eq!(property, Some(Property::Reconciles));
    assert!(script.contains("the API refuses to make a claim"), "{script}");
    assert_eq!(found(&created, Planner::shipped()).0, None);
}

/// What is on one of two volumes is no data.
#[test]
fn a_claim_that_is_not_missed_is_found() {
    let part = Budgets { evict: 1, part: 1, ..Budgets::default() };
    let parted = scenario(Start::Running([3, 0]), &[[3, 0]], part).on(Volumes::Pairs);
    caught(&parted, bugs::sees_one_claim(), Property::StartsWhole);
}

/// Each volume has a policy of its own.
#[test]
fn a_policy_of_the_other_volume_is_found() {
    let shrunk = scenario(Start::Running([2, 0]), &[[1, 0]], Budgets::default());
    let shrunk = shrunk.on(Volumes::KeptPairs);
    caught(&shrunk, bugs::gives_up_both_claims(), Property::KeepsData);
}

/// Who deletes a pod because somebody asks for its eviction takes the quorum of two away.
#[test]
fn an_eviction_that_is_carried_out_at_once_is_found() {
    let ask = Budgets { ask: 1, ..Budgets::default() };
    let asked = scenario(Start::Running([2, 0]), &[[2, 0]], ask);
    let (property, script) = found(&asked, bugs::evicts_when_asked());
    assert!(property.is_some() && script.contains("somebody asks for the eviction"), "{script}");
    assert_eq!(found(&asked, bugs::evicts_when_asked().linted()).0, Some(Property::Lint));
    assert_eq!(found(&asked, Planner::shipped()).0, None);
}

/// That a request is heard, and answered honestly, is for the checker alone.
#[test]
fn an_eviction_that_is_not_seen_to_is_found() {
    let ask = Budgets { ask: 1, ..Budgets::default() };
    let asked = scenario(Start::Running([3, 0]), &[[3, 0]], ask);
    assert_eq!(found(&asked, bugs::hears_no_request()).0, Some(Property::Reconciles));
    let crowded = asked.crowded();
    assert_eq!(found(&crowded, bugs::answers_in_vain()).0, Some(Property::HonestStatus));
    assert_eq!(found(&crowded, Planner::shipped()).0, None);
}

/// Who may not be asked is alive. The operator cannot tell who leads, so it changes nothing.
#[test]
fn a_member_that_refuses_and_is_taken_for_dead_is_found() {
    let guard = Budgets { guard: 1, ..Budgets::default() };
    let guarded = scenario(Start::Running([3, 0]), &[[3, 0]], guard);
    let (property, script) = found(&guarded, bugs::buries_who_refuses());
    assert_eq!(property, Some(Property::HonestStatus));
    assert!(script.contains("lets nobody in"), "{script}");
    assert_eq!(found(&guarded, Planner::shipped()).0, None);
    let on_claims = guarded.on(Volumes::Claims);
    assert_eq!(found(&on_claims, bugs::restarts_who_refuses()).0, Some(Property::OneDisruption));
    assert_eq!(found(&on_claims, Planner::shipped()).0, None);
}

/// What a spec says of users is to be so in the end.
#[test]
fn a_choice_that_is_not_heard_is_found() {
    let edited = Budgets { edit: 1, ..Budgets::default() };
    let edited = scenario(Start::Running([3, 0]), &[[3, 0]], edited).respec(Respec::Application);
    assert_eq!(found(&edited, bugs::hears_no_choice()).0, Some(Property::Reconciles));
    assert_eq!(found(&edited, Planner::shipped()).0, None);
}

/// Silence is no loss, however long it lasts: those who are silent may serve somebody.
#[test]
fn a_recovery_by_silence_is_found() {
    let unasked = |budgets| {
        scenario(Start::Running([3, 0]), &[[3, 0]], budgets).on(Volumes::Claims).unasked()
    };
    let killed = unasked(Budgets { kill: 2, ..Budgets::default() });
    caught(&killed, bugs::takes_silence_for_loss(), Property::ConsentsOnce);
    let away = unasked(Budgets { away: 2, ..Budgets::default() });
    caught(&away, bugs::takes_silence_for_loss(), Property::ConsentsOnce);
}

/// The one that is left missed a write that the others were known to have.
#[test]
fn a_recovery_from_one_that_is_behind_is_found() {
    let budgets = Budgets { wipe: 2, kill: 1, write: 1, ..Budgets::default() };
    let behind = scenario(Start::Running([3, 0]), &[[3, 0]], budgets);
    let behind = behind.on(Volumes::Claims).unasked();
    caught(&behind, bugs::compares_nothing(), Property::KeepsWrites);
}

fn defragmented(budgets: Budgets) -> Scenario {
    scenario(Start::Running([3, 0]), &[[3, 0]], budgets).on(Volumes::Claims).asks(Asks::Step)
}

/// A database that is sent while it is written anew is spoiled.
#[test]
fn a_defragmentation_of_one_that_lags_is_found() {
    let written = defragmented(Budgets { write: 1, cut: 1, ..Budgets::default() });
    caught(&written, bugs::defragments_who_lags(), Property::NoneBehind);
}

/// The order is for the checker alone: the linter does not know who was to be asked.
#[test]
fn a_defragmentation_that_begins_with_the_leader_is_found() {
    let quiet = defragmented(Budgets::default());
    let bug = bugs::defragments_the_leader_first();
    assert_eq!(found(&quiet, bug).0, Some(Property::LeaderLast));
    assert_eq!(found(&quiet, Planner::shipped()).0, None);
}

/// The operator is killed while a member is at work, and another leads by then.
#[test]
fn a_second_defragmentation_beside_the_first_is_found() {
    let crashed = defragmented(Budgets { abort: 1, kill: 1, ..Budgets::default() });
    caught(&crashed, bugs::forgets_who_is_at_work(), Property::OneDisruption);
}

/// E4: each that joins is told of the members that there are. Told of others it ends at once, and another comes for it,
/// without end: that is what the bound on members is for.
#[test]
fn a_list_that_is_frozen_is_found() {
    let grown = scenario(Start::Running([1, 0]), &[[3, 0]], Budgets::default());
    caught(&grown, bugs::freezes_the_list(), Property::Bounded);
}

/// E8: no answer is no success.
#[test]
fn a_removal_that_nobody_confirms_is_found() {
    let budgets = Budgets { kill: 1, ..Budgets::default() };
    let shrunk = scenario(Start::Running([3, 0]), &[[1, 0]], budgets);
    caught(&shrunk, bugs::takes_silence_for_success(), Property::KeepsData);
}

/// A vote for one that does not run makes a quorum of more than there are.
#[test]
fn a_vote_before_the_start_is_found() {
    let grown = scenario(Start::Running([1, 0]), &[[3, 0]], Budgets::default());
    caught_by(check_lax, &grown, bugs::promotes_at_once(), Property::KeepsQuorum);
}

/// Whoever is blamed for what another has leaves, and the corrupt data stays.
#[test]
fn an_alarm_about_another_is_found() {
    let corrupt = Budgets { corrupt: 1, ..Budgets::default() };
    let steady = scenario(Start::Running([3, 0]), &[[3, 0]], corrupt);
    caught(&steady, bugs::blames_another(), Property::KeepsSize);
}

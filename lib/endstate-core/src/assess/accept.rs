//! Is the spec acceptable? What was accepted last stays in force while a later edit is not.

use std::collections::BTreeSet;

use crate::app::App;
use crate::certificates::Certificate;
use crate::launch::{LaunchOf, SecretFiles};
use crate::problem::{Problem, Severity};
use crate::record::{Accepted, MemberRecord, Record, Step};
use crate::snapshot::Snapshot;

/// What is wrong with the spec, and what the next stage on the way to it lacks; with nothing that is refused, the
/// record accepts it.
pub(super) fn accept<A: App>(
    app: &A,
    snapshot: &Snapshot<A::Spec>,
    record: &mut Record<A::Spec>,
) -> (Vec<Problem>, Option<String>) {
    let accepted = record.accepted.as_ref().map(|it| &it.spec);
    let spec = app.settle(&snapshot.spec, accepted, &snapshot.platform);
    let mut problems = invalid(app, snapshot, (accepted, &spec));
    problems.extend(app.topology(&spec).problems());
    problems.extend(sleeps_without_volume(app, snapshot, &spec));
    problems.extend(lacks_cert_manager(app, snapshot, (accepted, &spec)));
    if accepted != Some(&spec) {
        problems.extend(snapshot.rejected.iter().map(|why| {
            Problem::refused("spec", format!("the API refuses a pod that is made from it: {why}"))
        }));
    }
    if let Some(old) = accepted
        && problems.iter().all(|it| it.severity != Severity::Refused)
        && *old != spec
    {
        problems.extend(app.refuses(old, &spec, &snapshot.view));
    }
    let before = record.in_force().cloned();
    let mut is_new = false;
    if problems.iter().all(|it| it.severity != Severity::Refused) {
        is_new = accepted.is_some_and(|it| *it != spec);
        if is_new {
            // What failed may have been corrected.
            record.backoff = None;
        }
        record.accepted = Some(Accepted { generation: snapshot.object.generation, spec });
    }
    let lacks = before.and_then(|it| note_stage(app, snapshot, record, (it, is_new)));
    (problems, lacks)
}

/// What is wrong with a spec. With what is wrong just so in the accepted one, which was accepted before that was
/// refused, members run already: it is told, and all else may be changed.
fn invalid<A: App>(
    app: &A,
    snapshot: &Snapshot<A::Spec>,
    (accepted, spec): (Option<&A::Spec>, &A::Spec),
) -> Vec<Problem> {
    let of = |spec| app.validate(&snapshot.object, spec);
    let before = accepted.map(of).unwrap_or_default();
    let told = |it: Problem| match before.contains(&it) {
        true => Problem::warning(it.field, it.message),
        false => it,
    };
    of(spec).into_iter().map(told).collect()
}

/// Says what members are brought to on the way to the accepted spec, from the one that was in force before. Whoever
/// was told to restart may run either, of whom no pod is seen nobody knows what it ran last, and who joins is listed
/// already with the address that it has by this stage; so the next stage waits until that is over.
fn note_stage<A: App>(
    app: &A,
    snapshot: &Snapshot<A::Spec>,
    record: &mut Record<A::Spec>,
    (before, is_new): (A::Spec, bool),
) -> Option<String> {
    let accepted = record.accepted.as_ref().map(|it| &it.spec)?;
    let joins = matches!(record.step, Some(Step::Join { .. }));
    let restarts = record.everyone().any(|it| it.restarted.is_some());
    let counts = |it: &&MemberRecord| !record.is_made(&it.name);
    let unseen = record.everyone().filter(counts).any(|it| snapshot.pod(&it.name).is_none());
    let (stage, lacks) = match &record.cluster_id {
        None => (None, None),
        Some(_) if !is_new && (joins || restarts || unseen) => (record.stage.clone(), None),
        Some(_) => {
            let pods = snapshot.pods.iter().flatten().filter_map(|it| it.spec.as_ref());
            let running = [&before].into_iter().chain(&record.proven).chain(pods);
            let seen = (&snapshot.view, !joins && !unseen);
            let stage = app.stage(&running.collect::<Vec<_>>(), accepted, seen);
            let is_ready = are_usable(app, snapshot, (&before, &stage.spec));
            (Some(if is_ready { stage.spec } else { before.clone() }), stage.lacks)
        }
    };
    record.stage = stage.filter(|it| it != accepted);
    let is_other = record.in_force().is_some_and(|it| *it != before);
    if is_other && record.cluster_id.is_some() && record.proven.is_none() {
        record.proven = Some(before);
    }
    lacks.filter(|_| record.stage.is_some())
}

/// Whether members may be changed from one spec to another: all certificates that the second asks for and the first
/// does not can be used, or are made before; and so can a user's, if only by the second members show it or trust it
/// alone, and those whose holders have to believe it. What they have already holds nobody up: they may be on the way
/// away from it.
fn are_usable<A: App>(
    app: &A,
    snapshot: &Snapshot<A::Spec>,
    (before, after): (&A::Spec, &A::Spec),
) -> bool {
    if before == after {
        return true;
    }
    let (had, files) = (files(app, snapshot, before), files(app, snapshot, after));
    let shown: BTreeSet<_> = files.iter().filter(|it| !has(&had, it)).map(|it| &it.0).collect();
    let is_shown = |it: &Certificate| {
        let believers = it.believers.iter().map(|it| &it.secret);
        it.given.is_some() && believers.chain([&it.secret]).any(|it| shown.contains(it))
    };
    let before = app.certificates(&snapshot.object, before);
    let due = |it: &Certificate| it.due(&snapshot.certificates, snapshot.now);
    let after = app.certificates(&snapshot.object, after);
    let mut new = after.iter().filter(|it| !before.contains(it) || is_shown(it));
    new.all(|it| due(it).is_usable())
}

/// A file of a secret's, by its key; all of them if there is none.
type SecretFile = (String, Option<String>);

/// What members of a spec find of secrets.
fn files<A: App>(app: &A, snapshot: &Snapshot<A::Spec>, spec: &A::Spec) -> BTreeSet<SecretFile> {
    let topology = app.topology(spec);
    let secrets = topology.roles.iter().flat_map(|role| {
        let member = MemberRecord::new(snapshot.object.name.as_str(), role.name.clone());
        app.launch(&LaunchOf::new(&snapshot.object, spec, &member)).secrets
    });
    let files = secrets.flat_map(|SecretFiles { secret, keys, beside, .. }| {
        let all = keys.is_empty().then_some(None);
        let named = all.into_iter().chain(keys.into_iter().map(Some));
        let beside = beside.map(|(it, _)| (it.secret, Some(it.key)));
        named.map(move |key| (secret.clone(), key)).chain(beside).collect::<Vec<_>>()
    });
    files.collect()
}

/// Whether a file is among others.
fn has(all: &BTreeSet<SecretFile>, it: &SecretFile) -> bool {
    all.contains(it) || all.contains(&(it.0.clone(), None))
}

/// Why nobody would make a certificate that a spec asks cert-manager for. What was accepted stays so without it: its
/// secrets are there, and nobody renews them.
fn lacks_cert_manager<A: App>(
    app: &A,
    snapshot: &Snapshot<A::Spec>,
    (accepted, spec): (Option<&A::Spec>, &A::Spec),
) -> Option<Problem> {
    if snapshot.platform.cert_manager {
        return None;
    }
    let of = |spec| app.certificates(&snapshot.object, spec);
    let before = accepted.map(of).unwrap_or_default();
    let asked = of(spec).into_iter().filter(|it| it.requested.is_some());
    let (old, new): (Vec<_>, Vec<_>) = asked.partition(|it| before.contains(it));
    let gone = "the kind Certificate of cert-manager.io is not installed, or cannot be listed";
    match (new.first(), old.first()) {
        (Some(Certificate { secret, .. }), _) => {
            let why = format!(
                "nobody would put a certificate into secret {secret}: {gone}. Install cert-manager, or remove \
                 certManager and fill the secrets yourself"
            );
            Some(Problem::refused("spec.tls", why))
        }
        (None, Some(Certificate { secret, .. })) => {
            let why = format!(
                "nobody renews the certificate in secret {secret}: {gone}. Install cert-manager again, or let the \
                 operator make certificates by the mode Managed"
            );
            Some(Problem::warning("spec.tls", why))
        }
        (None, None) => None,
    }
}

/// Why no member of a cluster can be taken away to come back later.
fn sleeps_without_volume<A: App>(
    app: &A,
    snapshot: &Snapshot<A::Spec>,
    spec: &A::Spec,
) -> Option<Problem> {
    let topology = app.topology(spec);
    let role = topology.voting().filter(|it| it.size == 0)?;
    let member = MemberRecord::new(snapshot.object.name.as_str(), role.name.clone());
    let launch = app.launch(&LaunchOf::new(&snapshot.object, spec, &member));
    let why = "must be at least 1: 0 keeps the data of members that are on volumes, and theirs would go with their pods";
    (!launch.is_durable()).then(|| Problem::refused("spec.size", why))
}

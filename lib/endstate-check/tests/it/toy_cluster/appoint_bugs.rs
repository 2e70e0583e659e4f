//! Appointments as a careless operator would make them.

use endstate_core::{Acks, Action, App, Lead, Plan, Position, Request, Snapshot, plan};

use super::app::{Toy, ToySpec};

/// Whoever has the least is taken for who has the most.
pub(crate) fn prefer_who_lags(app: &Toy, snapshot: &Snapshot<ToySpec>) -> Plan<ToySpec> {
    let mut seen = snapshot.clone();
    seen.status.members.iter_mut().for_each(|it| it.position = None);
    for target in &mut seen.view.targets {
        let Some(status) = &mut target.status else { continue };
        let has = status.position.as_ref().map_or(0, Position::count);
        status.position = Some(Position::at(1_000_000 - has));
    }
    let mut bad = plan(app, &seen);
    let appoint = |it: &Action| matches!(it.request(), Some(Request::Appoint { .. }));
    if !bad.actions.iter().any(appoint) {
        return plan(app, snapshot);
    }
    for row in &mut bad.status.members {
        let before = snapshot.status.members.iter().find(|it| it.name == row.name);
        row.position = before.and_then(|it| it.position.clone());
    }
    bad
}

/// A leader that acknowledges alone is taken for one that needs a majority.
pub(crate) fn trust_silence(app: &Toy, snapshot: &Snapshot<ToySpec>) -> Plan<ToySpec> {
    let other = Toy { lead: Lead::Appointed(Acks::Majority), ..*app };
    let mut bad = plan(&other, snapshot);
    bad.roles = app.topology(&snapshot.spec).roles;
    bad
}

/// Nobody is appointed.
pub(crate) fn appoint_nobody(app: &Toy, snapshot: &Snapshot<ToySpec>) -> Plan<ToySpec> {
    plan(&Toy { lead: Lead::Transfers, ..*app }, snapshot)
}

//! The objects around the members: services and the disruption budget, applied when they are missing or differ.
//!
//! An object of the same name that belongs to somebody else is left alone, and said so: taking it over would cut two
//! clusters' clients and members together.

use super::{App, Context, Declared, Error, Operand, Operator, Snapshot, SpecOf, Support};
use super::{Owner, Ownership, Wanted};

impl<O: Operand> Operator<O> {
    /// What has a name that the cluster needs and belongs to somebody else.
    pub(super) async fn stranger(
        &self,
        object: &Declared<O::Kind>,
        snapshot: &Snapshot<SpecOf<O>>,
        support: &Support,
        ctx: &Context,
    ) -> Result<Option<String>, Error> {
        let wanted = self.wanted(snapshot, support)?;
        let owner = Owner::of(object, self.operand.app().name());
        let conflicts = self.around.conflicts(&owner, &wanted, ctx).await?;
        Ok(conflicts.first().map(|conflict| format!("{conflict}: give the cluster another name")))
    }

    /// Brings the services and the disruption budget up to date.
    pub(super) async fn support(
        &self,
        object: &Declared<O::Kind>,
        snapshot: &Snapshot<SpecOf<O>>,
        support: &Support,
        ctx: &Context,
    ) -> Result<(), Error> {
        let wanted = self.wanted(snapshot, support)?;
        let owner = Owner::of(object, self.operand.app().name());
        self.around.apply(&owner, &wanted, ctx).await
    }

    fn wanted(
        &self,
        snapshot: &Snapshot<SpecOf<O>>,
        support: &Support,
    ) -> Result<Vec<Wanted>, Error> {
        let services = self.operand.services(&snapshot.object, support);
        let services = services.iter().map(|it| Wanted::of(it, Ownership::Owned));
        let budget = support.min_available.map(|it| self.operand.budget(&snapshot.object, it));
        services.chain(budget.iter().map(|it| Wanted::of(it, Ownership::Owned))).collect()
    }
}

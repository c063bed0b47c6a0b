//! Edits of a challenge: compare and swap, since two orders may be under way at once.
//!
//! An UPSERT after a read would lose one of two values that were written at the same time, and that
//! would not show before the authority has refused. So what was read is deleted to the letter and what
//! is wanted is created, in one batch. Route 53 refuses it if somebody was quicker
//! (`InvalidChangeBatch`); then everything is read again.

use aws_sdk_route53::types::{Change, ChangeAction, ResourceRecordSet, RrType};

use super::{
    Route53,
    records::{change_of, is_name, not_ours, ttl_of, values_of},
    retry::Kind,
};
use crate::{
    problem::Problem,
    protocol::{
        challenge::{
            access::ChallengeGrant,
            edit::{Edit, Edited, Swap, TxtSet},
        },
        hostname::HostName,
    },
    store::Budget,
};

/// How often a swap is tried. The last of more writers than that at one moment fails, and its client's
/// next run finds the name free.
const TRIES: u32 = 3;

/// What Route 53 has at a host's challenge name, if the host and that name are ours to change.
enum Found {
    /// The TXT records, if there are any.
    Ours(Option<TxtSet>),
    /// Something is at one of the names that nobody may change, with the reason for the log.
    NotOurs(&'static str),
}

impl Route53 {
    /// Makes an edit, and tries again if another writer was quicker.
    pub(super) async fn edit(
        &self,
        grant: &ChallengeGrant<'_>,
        edit: &Edit,
        ttl: u32,
        budget: &Budget,
    ) -> Result<Edited, Problem> {
        let mut tries = 0;
        loop {
            let present = match self.challenge(grant, budget).await? {
                Found::Ours(present) => present,
                Found::NotOurs(reason) => return Ok(Edited::NotOurs(reason)),
            };
            let Some(swap) = edit.swap(present, ttl) else {
                // After a conflict: our own change was made, and its answer was lost.
                return Ok(if tries == 0 { Edited::Unchanged } else { Edited::Changed });
            };
            tries += 1;
            match self.queue.change_alone(grant.zone().id.as_str(), changes(grant.name(), &swap)?, budget).await {
                Ok(()) => return Ok(Edited::Changed),
                Err(failure) if failure.kind == Kind::Invalid && tries < TRIES => {}
                Err(failure) => return Err(Problem(format!("could not confirm the change: {}", failure.text))),
            }
        }
    }

    /// Reads a host and its challenge name. They are usually on one page, which begins at the host.
    async fn challenge(&self, grant: &ChallengeGrant<'_>, budget: &Budget) -> Result<Found, Problem> {
        let host = self.named(grant.zone(), grant.host(), budget).await?;
        if let Some(reason) = not_ours(grant.host(), grant.zone(), &[RrType::A, RrType::Aaaa], &host.sets) {
            return Ok(Found::NotOurs(reason));
        }
        let own;
        let sets = if host.covers(grant.name()) {
            &host.sets
        } else {
            own = self.named(grant.zone(), grant.name(), budget).await?;
            &own.sets
        };
        if let Some(reason) = not_ours(grant.name(), grant.zone(), &[RrType::A, RrType::Aaaa, RrType::Txt], sets) {
            return Ok(Found::NotOurs(reason));
        }
        let txt = sets.iter().find(|set| set.r#type == RrType::Txt && is_name(&set.name, grant.name()));
        let read = |set: &ResourceRecordSet| Ok::<_, Problem>(TxtSet { ttl: ttl_of(set)?, values: values_of(set) });
        Ok(Found::Ours(txt.map(read).transpose()?))
    }
}

/// The changes of a swap.
fn changes(name: &HostName, swap: &Swap) -> Result<Vec<Change>, Problem> {
    let steps = [(ChangeAction::Delete, &swap.before), (ChangeAction::Create, &swap.after)];
    let change = |(action, set): (ChangeAction, &TxtSet)| change_of(action, name, RrType::Txt, (set.ttl, &set.values));
    steps.into_iter().filter_map(|(action, set)| set.as_ref().map(|set| change((action, set)))).collect()
}

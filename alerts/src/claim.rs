//! Stage 2: which groups this evaluator runs. A claim is a lease with an epoch; a slot of an earlier epoch is not
//! applied.

use std::collections::BTreeMap;

use fleetledger_schema::instant::Instant;
use tokio_postgres::Client;

use crate::errors::{AlertsError, while_};

/// A group that is ours until the lease ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GroupClaim {
    /// Name of the group.
    pub(crate) group: String,
    /// Number of this claim.
    pub(crate) epoch: i64,
    /// Newest slot every rule of it was run for.
    pub(crate) last_slot: Option<Instant>,
}

/// Renews what is ours and claims what is free, up to a fair share of all groups among the evaluators that live.
pub(crate) async fn claim(
    client: &Client,
    evaluator: &str,
    rule_set: &str,
    lease_seconds: f64,
) -> Result<BTreeMap<String, GroupClaim>, AlertsError> {
    // `skip locked`: whoever else claims at this moment has it. `share` keeps one evaluator from taking all.
    const CLAIM_GROUPS: &str = "
        with mine as (
            update ledger.rule_group set lease_until = clock_timestamp() + make_interval(secs => $3)
            where owner = $1 and removed_at is null and lease_until > clock_timestamp()
              and exists (select from ledger.rule_set where sha256 = $2)
            returning rule_group, epoch, last_slot
        ), share as (
            select ceil(count(*)::numeric / greatest((
                select count(*) from ledger.evaluator
                where state = 'running' and rule_set = $2
                  and heartbeat_at > clock_timestamp() - make_interval(secs => $3)
            ), 1))::bigint as groups
            from ledger.rule_group where removed_at is null
        ), free as (
            select g.rule_group from ledger.rule_group as g
            where g.removed_at is null and (g.owner is null or g.lease_until is null or g.lease_until <= clock_timestamp())
              and exists (select from ledger.rule_set where sha256 = $2)
            order by g.rule_group
            limit greatest((select groups from share) - (select count(*) from mine), 0)
            for update skip locked
        ), taken as (
            update ledger.rule_group as g
            set owner = $1, epoch = g.epoch + 1, lease_until = clock_timestamp() + make_interval(secs => $3)
            from free where g.rule_group = free.rule_group
            returning g.rule_group, g.epoch, g.last_slot
        )
        select rule_group, epoch, last_slot, (select groups from share) from mine
        union all
        select rule_group, epoch, last_slot, (select groups from share) from taken
        order by rule_group";
    let rows = client
        .query(CLAIM_GROUPS, &[&evaluator, &rule_set, &lease_seconds])
        .await
        .map_err(while_("claim groups"))?;
    let share = rows.first().map_or(0, |row| row.get::<_, i64>(3));
    let share = usize::try_from(share).unwrap_or(0);
    let mut claims = BTreeMap::new();
    for row in &rows {
        let claim = GroupClaim {
            group: row.get(0),
            epoch: row.get(1),
            last_slot: row.get(2),
        };
        if claims.len() < share {
            claims.insert(claim.group.clone(), claim);
        } else {
            release(client, evaluator, &claim).await?;
        }
    }
    Ok(claims)
}

/// Every rule of the group was run for `slot`; `missed` slots before it were not. Does nothing if the claim is over.
pub(crate) async fn advance(
    client: &Client,
    evaluator: &str,
    claim: &GroupClaim,
    slot: Instant,
    missed: u64,
) -> Result<(), AlertsError> {
    let missed = i64::try_from(missed).unwrap_or(i64::MAX);
    client
        .execute(
            FINISH_SLOT,
            &[&claim.group, &evaluator, &claim.epoch, &slot, &missed],
        )
        .await
        .map_err(while_("advance the group"))?;
    Ok(())
}

/// Another evaluator has come and has fewer.
async fn release(client: &Client, evaluator: &str, claim: &GroupClaim) -> Result<(), AlertsError> {
    client
        .execute(RELEASE_GROUP, &[&claim.group, &evaluator, &claim.epoch])
        .await
        .map_err(while_("release a group"))?;
    Ok(())
}

const FINISH_SLOT: &str = "
    update ledger.rule_group set last_slot = $4, missed_slots = missed_slots + $5
    where rule_group = $1 and owner = $2 and epoch = $3 and last_slot is distinct from $4";

const RELEASE_GROUP: &str = "
    update ledger.rule_group set owner = null, lease_until = null
    where rule_group = $1 and owner = $2 and epoch = $3";

//! What a batch does to the tables: its rows into the stages, from there into history and current state.

use fleetledger_schema::kind::RecordKind;

use crate::{
    batch::SealedBatch, encode::StageRows, errors::DatabaseFailure, fold, session::WriterSession, stage,
};

/// Makes the tables that the batch needs; before its transaction, for they outlive it.
pub(crate) async fn prepare(
    session: &mut WriterSession,
    sealed: &SealedBatch,
) -> Result<(), DatabaseFailure> {
    let containers = stage::of_containers();
    for data in &sealed.stages {
        session.make(&data.stage.create).await?;
        if data.chained {
            session.make(&data.stage.create_plan).await?;
        }
        // Which containers have vanished is asked of their plan.
        if data.stage.name == containers.name || data.stage.name == stage::of_kind(RecordKind::Pod).name {
            session.make(&containers.create_plan).await?;
        }
    }
    if sealed.usage.is_some() {
        session.make(fold::CREATE_STAGE_TABLES).await?;
    }
    Ok(())
}

/// Rows → stage.
pub(crate) async fn copy(session: &mut WriterSession, sealed: &SealedBatch) -> Result<(), DatabaseFailure> {
    for data in &sealed.stages {
        session.copy(&data.stage.copy, &data.chunks).await?;
    }
    if let Some(usage) = &sealed.usage {
        fold::copy(session, usage).await?;
    }
    Ok(())
}

/// Stage → history and current state; and windows of usage → sums. Returns the records of windows that were superseded.
pub(crate) async fn merge(
    session: &mut WriterSession,
    sealed: &SealedBatch,
) -> Result<Vec<usize>, DatabaseFailure> {
    let containers = stage::of_containers();
    let mut current_containers = 0;
    for data in &sealed.stages {
        if data.stage.name == containers.name {
            // The plan also says whether a container is missing.
            current_containers = merge_planned(session, data).await?;
        } else if data.chained {
            merge_planned(session, data).await?;
        } else {
            merge_single(session, data).await?;
        }
    }
    let pods = stage::of_kind(RecordKind::Pod);
    let may_have_vanished = sealed
        .containers_before
        .is_none_or(|before| i64::try_from(before).is_ok_and(|before| before != current_containers));
    if let Some(vanish) = &containers.vanish
        && may_have_vanished
        && sealed.stages.iter().any(|data| data.stage.name == pods.name)
    {
        session.execute(vanish, &[]).await?;
    }
    end_objects(session, sealed).await?;
    match &sealed.usage {
        Some(usage) => fold::fold(session, usage).await,
        None => Ok(Vec::new()),
    }
}

/// One version of each object: most batches are so.
async fn merge_single(session: &mut WriterSession, data: &StageRows) -> Result<(), DatabaseFailure> {
    let steps = &data.stage.single;
    let rows = u64::try_from(data.rows()).unwrap_or(u64::MAX);
    let all_fresh = data.fresh == data.rows();
    if all_fresh && session.execute(&steps.insert, &[]).await? == rows {
        return Ok(());
    }
    session.execute(&steps.close, &[]).await?;
    let updated = session.execute(&steps.update, &[]).await?;
    if updated < rows && !all_fresh {
        session.execute(&steps.insert, &[]).await?;
    }
    Ok(())
}

/// Versions that follow each other within the batch. Returns how many of its objects stood.
async fn merge_planned(session: &mut WriterSession, data: &StageRows) -> Result<i64, DatabaseFailure> {
    let stage = data.stage;
    let (current, new) = session.counts(&stage.plan).await?;
    for (statement, has_work) in [
        (&stage.planned.close, current > 0),
        (&stage.between, data.chained),
        (&stage.planned.update, current > 0),
        (&stage.planned.insert, new > 0),
    ] {
        if has_work {
            session.execute(statement, &[]).await?;
        }
    }
    Ok(current)
}

/// Objects that ended.
async fn end_objects(session: &mut WriterSession, sealed: &SealedBatch) -> Result<(), DatabaseFailure> {
    let pods = stage::of_kind(RecordKind::Pod);
    let containers = stage::of_containers();
    for (kind, ends) in &sealed.ends {
        let stage = stage::of_kind(*kind);
        let with_containers = [&stage.end, &containers.end];
        let tables = if stage.name == pods.name { 2 } else { 1 };
        for statement in with_containers.into_iter().take(tables) {
            session
                .execute(
                    statement,
                    &[&ends.cluster_ids, &ends.uids, &ends.ended_at, &ends.reasons],
                )
                .await?;
        }
    }
    Ok(())
}

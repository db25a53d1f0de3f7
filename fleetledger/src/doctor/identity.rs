//! The name of the emitter's cluster, against what the ledger knows.

use super::{CheckVerdict, DoctorObservations};

/// Clusters of this uid, or of this name.
const FIND_SAME_CLUSTERS: &str = "select datacenter || '/' || cluster, cluster_uid from fleet.cluster
        where cluster_uid = $1 or (datacenter || '/' || cluster = $2 and state <> 'retired')";

/// One cluster uid under two names: the newer source would be quarantined.
pub(super) async fn name(scene: &DoctorObservations) -> CheckVerdict {
    let kubernetes = match scene.kubernetes.get("kubernetes") {
        Ok(kubernetes) => kubernetes,
        Err(skipped) => return skipped,
    };
    let Ok(uid) = &kubernetes.cluster_uid else {
        return CheckVerdict::skipped("see kubernetes-rbac");
    };
    let Ok(postgres) = scene.postgres.get("postgres") else {
        return CheckVerdict::skipped("see postgres-reach");
    };
    let emit = &scene.config.emit;
    let configured = format!("{}/{}", emit.datacenter, emit.cluster);
    let Ok(rows) = postgres
        .client
        .query(FIND_SAME_CLUSTERS, &[uid, &configured])
        .await
    else {
        return CheckVerdict::skipped("see postgres-migrated");
    };
    for row in &rows {
        let (known, known_uid): (String, String) = (row.get(0), row.get(1));
        if known_uid == *uid && known != configured {
            return CheckVerdict::broken(
                format!(
                    "the ledger knows this cluster as {known}, but the emitter is configured as \
                     {configured}: it would be quarantined"
                ),
                format!(
                    "fleetledger clusters rename {known} {configured}; or correct emit.datacenter and emit.cluster"
                ),
            );
        }
        if known == configured && known_uid != *uid {
            return CheckVerdict::broken(
                format!("another cluster (uid {known_uid}) already has the name {configured}"),
                format!(
                    "if that cluster is gone for good, run fleetledger clusters retire {known_uid}; \
                     otherwise give this one another emit.cluster"
                ),
            );
        }
    }
    CheckVerdict::well(format!("{configured} is {uid}"))
}

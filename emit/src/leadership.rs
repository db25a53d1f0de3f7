//! Of several emitters on one cluster one sends: the holder of a Lease.
//!
//! The Lease also shows that the API server's data was set back, as by a restored backup: it is then older than the one that
//! this emitter wrote. Watches do not show it, for they wait for resource versions that are yet to come; so a leader that sees
//! it stands down, takes the Lease again, and lists everything anew.
//!
//! A Lease of another holder is taken when it has not changed for its duration by this emitter's own clock; the
//! instants written in it are never compared. Its annotation keeps the epoch, so that the next holder, however slow
//! its clock, begins a higher one. A holder that cannot renew in time stops sending before another may begin.

use std::{collections::BTreeMap, time::Duration};

use fleetledger_schema::{headers::is_possible_epoch, instant::Instant};
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{Api, api::PostParams};
use tokio::{sync::Mutex, time::Instant as Tick};
use tokio_util::sync::CancellationToken;

use crate::{health::EmitterHealth, settings::LeadershipSettings};

/// Annotation of the Lease that keeps the epoch.
pub const EPOCH_ANNOTATION: &str = "fleetledger.io/epoch";

/// The Lease and this emitter's part in it.
pub(crate) struct LeadershipLease {
    api: Api<Lease>,
    settings: LeadershipSettings,
    identity: String,
    held: Mutex<HeldLease>,
}

#[derive(Debug, Default)]
struct HeldLease {
    lease: Option<Lease>,
    epoch: i64,
}

/// What became of a renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LeaseRenewal {
    Renewed,
    /// Another emitter holds the Lease, or it is gone.
    Lost,
    /// The API server has an older Lease than the one that was written.
    SetBack,
}

/// What was last seen of another holder's Lease.
#[derive(Debug)]
struct ObservedLease {
    version: Option<String>,
    since: Tick,
}

impl LeadershipLease {
    pub(crate) fn new(client: kube::Client, settings: &LeadershipSettings) -> Self {
        let identity = match settings.identity.as_str() {
            "" => format!("emit-{:016x}", rand::random::<u64>()),
            identity => identity.to_owned(),
        };
        Self {
            api: Api::namespaced(client, &settings.namespace),
            settings: settings.clone(),
            identity,
            held: Mutex::new(HeldLease::default()),
        }
    }

    /// Waits until the Lease is taken; returns the epoch written into it, or `None` at shutdown.
    pub(crate) async fn acquire(&self, shutdown: &CancellationToken, health: &EmitterHealth) -> Option<i64> {
        let mut observed = ObservedLease {
            version: None,
            since: Tick::now(),
        };
        loop {
            match self.try_acquire(&mut observed).await {
                Ok(Some(epoch)) => {
                    tracing::info!(
                        lease = self.settings.lease,
                        identity = self.identity,
                        epoch,
                        "Lease acquired"
                    );
                    return Some(epoch);
                }
                Ok(None) => health.standby(),
                Err(error) => {
                    tracing::warn!(%error, "the Lease cannot be read or acquired");
                    health.starting(&format!(
                        "Lease {}/{}: {error}; the namespace must exist, and the emitter must be allowed to \
                         get, create and update leases in it",
                        self.settings.namespace, self.settings.lease
                    ));
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => return None,
                () = tokio::time::sleep(self.period()) => {}
            }
        }
    }

    /// Renews until the Lease is lost or `stop`; then `deposed` is cancelled.
    pub(crate) async fn hold(&self, deposed: &CancellationToken, stop: &CancellationToken) {
        let mut renewed_at = Tick::now();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(self.period()) => {}
            }
            // The request itself may hang: it gets the time that is left and no more.
            let left = (renewed_at + self.deadline()).saturating_duration_since(Tick::now());
            let asked_at = Tick::now();
            match tokio::time::timeout(left, self.renew()).await {
                Ok(Ok(LeaseRenewal::Renewed)) => renewed_at = asked_at,
                Ok(Ok(LeaseRenewal::Lost)) => {
                    tracing::warn!("another emitter holds the Lease");
                    return deposed.cancel();
                }
                Ok(Ok(LeaseRenewal::SetBack)) => {
                    tracing::warn!(
                        "the API server's data is older than before, as after a restore from a backup; \
                         everything is listed again"
                    );
                    return deposed.cancel();
                }
                Ok(Err(error)) => tracing::warn!(%error, "the Lease cannot be renewed"),
                Err(_) => {}
            }
            if renewed_at.elapsed() >= self.deadline() {
                tracing::warn!("the Lease could not be renewed in time; sending stops");
                return deposed.cancel();
            }
        }
    }

    /// Writes a higher epoch into the Lease that is held.
    pub(crate) async fn raise(&self, epoch: i64) -> Result<bool, kube::Error> {
        self.held.lock().await.epoch = epoch;
        Ok(self.renew().await? == LeaseRenewal::Renewed)
    }

    /// Gives the Lease back, so that another emitter need not wait.
    pub(crate) async fn release(&self) {
        let mut held = self.held.lock().await;
        let Some(mut lease) = held.lease.take() else {
            return;
        };
        if let Some(spec) = &mut lease.spec {
            spec.holder_identity = None;
        }
        if let Err(error) = self
            .api
            .replace(&self.settings.lease, &PostParams::default(), &lease)
            .await
        {
            tracing::debug!(%error, "the Lease could not be released");
        }
    }

    async fn try_acquire(&self, observed: &mut ObservedLease) -> Result<Option<i64>, kube::Error> {
        let now = Instant::now();
        let found = self.api.get_opt(&self.settings.lease).await?;
        let taken = match &found {
            None => {
                let epoch = now.0;
                let lease = self.lease(None, epoch, now);
                (self.api.create(&PostParams::default(), &lease).await, epoch)
            }
            Some(lease) if may_take(lease, &self.identity, observed, Tick::now()) => {
                let epoch = next_epoch(now, epoch_of(lease));
                let lease = self.lease(Some(lease), epoch, now);
                (
                    self.api
                        .replace(&self.settings.lease, &PostParams::default(), &lease)
                        .await,
                    epoch,
                )
            }
            Some(_) => return Ok(None),
        };
        match taken {
            (Ok(lease), epoch) => {
                *self.held.lock().await = HeldLease {
                    lease: Some(lease),
                    epoch,
                };
                Ok(Some(epoch))
            }
            // Another emitter was faster.
            (Err(kube::Error::Api(status)), _) if status.code == 409 => Ok(None),
            (Err(error), _) => Err(error),
        }
    }

    async fn renew(&self) -> Result<LeaseRenewal, kube::Error> {
        let mut held = self.held.lock().await;
        let Some(lease) = &held.lease else {
            return Ok(LeaseRenewal::Lost);
        };
        let renewed = self.lease(Some(lease), held.epoch, Instant::now());
        match self
            .api
            .replace(&self.settings.lease, &PostParams::default(), &renewed)
            .await
        {
            Ok(lease) => {
                held.lease = Some(lease);
                Ok(LeaseRenewal::Renewed)
            }
            Err(kube::Error::Api(status)) if status.code == 409 || status.code == 404 => {
                let found = self.api.get_opt(&self.settings.lease).await?;
                let mine = found
                    .filter(|lease| holder(lease) == Some(&self.identity) && epoch_of(lease) <= held.epoch);
                let outcome = match &mine {
                    None => LeaseRenewal::Lost,
                    Some(found) if is_older(found, lease) => LeaseRenewal::SetBack,
                    // What was written though its answer was lost, or what somebody else wrote into it.
                    Some(_) => LeaseRenewal::Renewed,
                };
                held.lease = mine.filter(|_| outcome == LeaseRenewal::Renewed);
                Ok(outcome)
            }
            Err(error) => Err(error),
        }
    }

    /// The Lease as this emitter writes it.
    fn lease(&self, before: Option<&Lease>, epoch: i64, now: Instant) -> Lease {
        let before_spec = before.and_then(|lease| lease.spec.clone()).unwrap_or_default();
        let taken = before.and_then(holder) != Some(&self.identity);
        let at = now.to_timestamp().map(MicroTime);
        let mut annotations: BTreeMap<String, String> = before
            .and_then(|lease| lease.metadata.annotations.clone())
            .unwrap_or_default();
        annotations.insert(EPOCH_ANNOTATION.to_owned(), epoch.to_string());
        Lease {
            metadata: ObjectMeta {
                name: Some(self.settings.lease.clone()),
                namespace: Some(self.settings.namespace.clone()),
                annotations: Some(annotations),
                resource_version: before.and_then(|lease| lease.metadata.resource_version.clone()),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(self.identity.clone()),
                lease_duration_seconds: i32::try_from(self.settings.duration_seconds).ok(),
                acquire_time: if taken {
                    at.clone()
                } else {
                    before_spec.acquire_time
                },
                renew_time: at,
                lease_transitions: Some(
                    before_spec.lease_transitions.unwrap_or(0) + i32::from(taken && before.is_some()),
                ),
                ..LeaseSpec::default()
            }),
        }
    }

    fn period(&self) -> Duration {
        Duration::from_secs(self.settings.duration_seconds) / 5
    }

    /// Two thirds of the duration: the rest is for requests under way and for clocks that tick differently.
    fn deadline(&self) -> Duration {
        Duration::from_secs(self.settings.duration_seconds) * 2 / 3
    }
}

/// The epoch after `kept`: now, unless the clock is behind. One that no ingester takes is none to go on from.
#[must_use]
pub(crate) fn next_epoch(now: Instant, kept: i64) -> i64 {
    match kept.saturating_add(1) {
        next if is_possible_epoch(next, now) => now.0.max(next),
        _ => now.0,
    }
}

fn holder(lease: &Lease) -> Option<&String> {
    lease
        .spec
        .as_ref()?
        .holder_identity
        .as_ref()
        .filter(|holder| !holder.is_empty())
}

/// True if `found` stood before `written`, which the API server had taken.
fn is_older(found: &Lease, written: &Lease) -> bool {
    let version = |lease: &Lease| lease.metadata.resource_version.as_ref()?.parse::<u64>().ok();
    let renewed_at = |lease: &Lease| Some(lease.spec.as_ref()?.renew_time.as_ref()?.0);
    let is_before = match (version(found), version(written)) {
        (Some(found), Some(written)) => found < written,
        _ => false,
    };
    is_before || renewed_at(found) < renewed_at(written)
}

fn epoch_of(lease: &Lease) -> i64 {
    let annotation = lease
        .metadata
        .annotations
        .as_ref()
        .and_then(|all| all.get(EPOCH_ANNOTATION));
    annotation.and_then(|epoch| epoch.parse().ok()).unwrap_or(0)
}

/// True if the Lease is free, is this emitter's, or has not changed for its duration by our own clock.
fn may_take(lease: &Lease, identity: &str, observed: &mut ObservedLease, now: Tick) -> bool {
    let version = lease.metadata.resource_version.clone();
    if observed.version != version || version.is_none() {
        *observed = ObservedLease { version, since: now };
    }
    match holder(lease) {
        None => true,
        Some(holder) if holder == identity => true,
        Some(_) => {
            let seconds = lease
                .spec
                .as_ref()
                .and_then(|spec| spec.lease_duration_seconds)
                .unwrap_or(15);
            now.duration_since(observed.since) >= Duration::from_secs(u64::try_from(seconds).unwrap_or(15))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(holder: &str, version: &str) -> Lease {
        serde_json::from_value(serde_json::json!({
            "metadata": {"name": "l", "resourceVersion": version, "annotations": {EPOCH_ANNOTATION: "500"}},
            // A renewTime far in the future: a holder with a fast clock must not keep the Lease for ever.
            "spec": {"holderIdentity": holder, "leaseDurationSeconds": 10, "renewTime": "2099-01-01T00:00:00.000000Z"},
        }))
        .unwrap()
    }

    #[test]
    fn a_lease_is_taken_when_it_has_not_changed_for_its_duration_by_our_clock() {
        let start = Tick::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut observed = ObservedLease {
            version: None,
            since: start,
        };
        assert!(!may_take(&lease("other", "1"), "me", &mut observed, at(0)));
        assert!(!may_take(&lease("other", "1"), "me", &mut observed, at(9)));
        assert!(!may_take(&lease("other", "2"), "me", &mut observed, at(10)));
        assert!(!may_take(&lease("other", "2"), "me", &mut observed, at(19)));
        assert!(may_take(&lease("other", "2"), "me", &mut observed, at(20)));
        assert!(may_take(&lease("me", "3"), "me", &mut observed, at(20)));
        assert!(may_take(&lease("", "4"), "me", &mut observed, at(20)));
    }

    #[test]
    fn a_lease_that_is_older_than_what_was_written_shows_that_the_server_was_set_back() {
        let renewed_at = |second: &str, version: &str| {
            let mut lease = lease("me", version);
            let at = format!("\"2026-01-01T00:00:{second}.000000Z\"");
            lease.spec.as_mut().unwrap().renew_time = Some(serde_json::from_str(&at).unwrap());
            lease
        };
        let written = renewed_at("10", "50");
        assert!(is_older(&renewed_at("10", "49"), &written));
        // Somebody has written into the restored one.
        assert!(is_older(&renewed_at("05", "70"), &written));
        assert!(!is_older(&renewed_at("10", "50"), &written));
        assert!(!is_older(&renewed_at("13", "60"), &written));
    }

    #[test]
    fn an_emitter_with_a_slow_clock_begins_a_higher_epoch() {
        assert_eq!(next_epoch(Instant(100), epoch_of(&lease("other", "1"))), 501);
        assert_eq!(next_epoch(Instant(900), 500), 900);
        // What lies a day ahead would be refused: an emitter that went on from there were locked out for ever.
        assert_eq!(next_epoch(Instant(900), 1_000_000_000_000), 900);
        assert_eq!(next_epoch(Instant(900), i64::MAX), 900);
    }
}

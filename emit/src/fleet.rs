//! What is known of the cluster: every event of the source ends here as a change of memory, or as none.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use fleetledger_schema::{
    codec::KnownSchemas,
    framing::SINGLE_OBJECT_HEADER_BYTES,
    instant::Instant,
    kind::RecordKind,
    partition::shard_of,
    record::{ObjectRecord, Record},
};
use tokio::time::Instant as Tick;

use crate::{
    coalesce::Coalescer,
    encode::{RecordFit, decode, encode_last, encode_to_fit},
    error::EmitError,
    health::{EmitterHealth, ResourceState},
    heartbeat::Heartbeats,
    memory::{LogContent, ObjectMemory, ObjectObservation, ObservationOutcome, TrackedObject},
    metrics::EmitMetrics,
    object::{self, MetadataRules, NodeHeartbeat, TopOwner, set_heartbeat, set_top_owner},
    owner::{KnownOwner, OwnerIndex, OwnerRef, OwnerResolution},
    resource::{KubeObject, NamedScope, ResourceChange, WatchedResource},
    settings::EmitSettings,
    topic_limit::TopicLimits,
    usage::Roster,
};

/// When something happened: on the wall, and on the clock that windows are measured with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClockReading {
    pub(crate) at: Instant,
    pub(crate) tick: Tick,
}

impl ClockReading {
    pub(crate) fn read() -> Self {
        Self {
            at: Instant::now(),
            tick: Tick::now(),
        }
    }
}

/// The list of one resource.
#[derive(Debug, Default)]
struct ResourceListing {
    /// Objects named so far by a list that is under way.
    seen: Option<HashSet<String>>,
    /// True once a list was complete.
    complete: bool,
    /// Where the source names everything, if it will never name all of it.
    in_part: Option<NamedScope>,
    /// True once the resource has answered at all, be it with an error.
    answered: bool,
}

/// What is known of the cluster.
pub(crate) struct ObservedFleet {
    rules: MetadataRules,
    shards: u16,
    pub(crate) memory: ObjectMemory,
    pub(crate) owners: OwnerIndex,
    pub(crate) heartbeats: Heartbeats,
    pub(crate) schemas: KnownSchemas,
    coalescer: Coalescer,
    /// Kept for whoever reads usage.
    roster: Option<Roster>,
    listings: BTreeMap<WatchedResource, ResourceListing>,
    waiting: HashMap<String, Vec<Arc<str>>>,
    /// Objects whose newest state is to be sent.
    pub(crate) ready: Vec<Arc<str>>,
    /// Owners to ask the API server for.
    pub(crate) questions: Vec<OwnerRef>,
    /// Largest record of each kind.
    limits: TopicLimits,
    /// Uids of objects whose newest state is too large for its topic, however it is shortened: the log keeps the state before.
    oversize: HashSet<String>,
    metrics: EmitMetrics,
    health: EmitterHealth,
}

/// An object as a record.
struct MappedObject {
    record: Record,
    owner: Option<OwnerRef>,
    waiting: Option<OwnerRef>,
}

impl ObservedFleet {
    pub(crate) fn new(
        settings: &EmitSettings,
        from_dump: bool,
        roster: Option<Roster>,
        metrics: EmitMetrics,
        health: EmitterHealth,
    ) -> Result<Self, EmitError> {
        for resource in WatchedResource::ALL {
            health.resource(resource, ResourceState::Listing);
        }
        Ok(Self {
            rules: settings.rules()?,
            shards: settings.shards,
            memory: ObjectMemory::new(settings.deletion_bytes()),
            owners: OwnerIndex::default(),
            heartbeats: Heartbeats::new(
                settings.lease_stale_seconds,
                settings.condition_stale_seconds,
                from_dump,
            ),
            schemas: KnownSchemas::own(),
            coalescer: Coalescer::new(Duration::from_millis(settings.coalesce_ms)),
            roster,
            listings: WatchedResource::ALL
                .into_iter()
                .map(|resource| (resource, ResourceListing::default()))
                .collect(),
            waiting: HashMap::new(),
            ready: Vec::new(),
            questions: Vec::new(),
            limits: TopicLimits::default(),
            oversize: HashSet::new(),
            metrics,
            health,
        })
    }

    /// Takes a change that a watch reports.
    pub(crate) fn absorb(&mut self, resource: WatchedResource, change: ResourceChange, now: ClockReading) {
        match change {
            ResourceChange::Begin => self.listing(resource).seen = Some(HashSet::new()),
            ResourceChange::Listed(object) => {
                if let Some(seen) = &mut self.listing(resource).seen {
                    seen.insert(object.uid().to_owned());
                }
                self.see(&object, None, now);
            }
            ResourceChange::End => self.end_list(resource, now),
            ResourceChange::Incomplete(scope) => {
                let listing = self.listing(resource);
                (listing.seen, listing.in_part, listing.answered) = (None, Some(scope), true);
                self.health.resource(resource, ResourceState::Absent);
            }
            ResourceChange::Applied(object) => self.see(&object, Some(now.at), now),
            ResourceChange::Deleted(object) => self.lose(&object, now),
            ResourceChange::Absent => {
                self.listing(resource).seen = Some(HashSet::new());
                self.end_list(resource, now);
                self.health.resource(resource, ResourceState::Absent);
            }
            ResourceChange::Failed(why) => {
                self.metrics
                    .watch_errors
                    .with_label_values(&[resource.as_str()])
                    .inc();
                self.listing(resource).answered = true;
                self.health.resource(resource, ResourceState::Failed(why));
            }
        }
    }

    /// True once every resource has answered, be it with an error.
    pub(crate) fn has_answered(&self) -> bool {
        self.listings.values().all(|listing| listing.answered)
    }

    /// True if every resource of the kind has been listed, as far as the source ever will.
    pub(crate) fn is_listed(&self, kind: RecordKind) -> bool {
        let listed = |listing: &ResourceListing| listing.complete || listing.in_part.is_some();
        WatchedResource::of(kind).all(|resource| self.listings.get(&resource).is_some_and(listed))
    }

    /// True if everything that exists of the kind has been named.
    pub(crate) fn is_complete(&self, kind: RecordKind) -> bool {
        WatchedResource::of(kind).all(|resource| self.names_all(resource))
    }

    /// True if the last record of an object belongs to a resource of which everything has been named in its namespace.
    pub(crate) fn names_all_like(&self, value: &[u8]) -> bool {
        let Some(record) = decode(value, &self.schemas) else {
            return false;
        };
        let Some(resource) = WatchedResource::of_record(&record) else {
            return false;
        };
        let in_part = self
            .listings
            .get(&resource)
            .and_then(|listing| listing.in_part.as_ref());
        let namespace = record.namespace().filter(|_| resource.is_namespaced());
        self.names_all(resource)
            || in_part.is_some_and(|scope| namespace.is_some_and(|namespace| scope.holds(namespace)))
    }

    fn names_all(&self, resource: WatchedResource) -> bool {
        self.listings
            .get(&resource)
            .is_some_and(|listing| listing.complete)
    }

    /// Takes an object as it is now; `since` says when it became so, where that is known.
    pub(crate) fn see(&mut self, object: &KubeObject, since: Option<Instant>, now: ClockReading) {
        self.metrics
            .events
            .with_label_values(&[object.resource().as_str()])
            .inc();
        if object.uid().is_empty() {
            tracing::error!(
                resource = %object.resource(), name = object.meta().name,
                "an object without uid is skipped"
            );
            return;
        }
        let heartbeat = match object {
            KubeObject::Lease(lease) => return self.heartbeats.see_lease(lease, now.at),
            KubeObject::Node(node) => self.heartbeats.see_node(node, now.at),
            _ => NodeHeartbeat::default(),
        };
        self.learn_owner(object, now);
        let Some(mut mapped) = self.map(object, &heartbeat) else {
            // A ReplicaSet that a Deployment adopted is no longer a workload of its own.
            return self.infer_gone(object.uid(), now, false);
        };
        let Some(value) = self.fit(&mut mapped.record) else {
            return;
        };
        if let Some(roster) = &self.roster {
            roster.note(&mapped.record);
        }
        let waiting = mapped.waiting.is_some();
        if let Some(owner) = mapped.waiting.take() {
            let pods = self.waiting.entry(owner.uid.clone()).or_default();
            if !pods.iter().any(|pod| **pod == *mapped.record.uid()) {
                pods.push(mapped.record.uid().into());
            }
            self.ask(owner);
        }
        let kind = mapped.record.kind();
        let noted = self.memory.note(ObjectObservation {
            shard: shard_of(mapped.record.uid(), self.shards),
            record: mapped.record,
            value,
            resource: object.resource(),
            version: object.meta().resource_version.clone(),
            owner: mapped.owner.map(|owner| owner.uid),
            at: now.at,
            since,
        });
        self.pass_on(&noted, kind, waiting, now);
    }

    /// Takes the last state of an object that is gone.
    pub(crate) fn lose(&mut self, object: &KubeObject, now: ClockReading) {
        self.metrics
            .events
            .with_label_values(&[object.resource().as_str()])
            .inc();
        let name = object.meta().name.as_deref().unwrap_or_default();
        let heartbeat = match object {
            KubeObject::Lease(_) => return self.heartbeats.forget_lease(name),
            KubeObject::Node(_) => self.heartbeats.judged(name),
            _ => NodeHeartbeat::default(),
        };
        if let KubeObject::Node(_) = object {
            self.heartbeats.forget_node(name, object.uid());
        }
        self.owners.end(object.uid());
        let Some(mut mapped) = self.map(object, &heartbeat) else {
            return;
        };
        if self.memory.get(object.uid()).is_none() {
            // Born and gone between two looks: it is known from now on, to be buried at once.
            self.see(object, Some(now.at), now);
        }
        mapped.record.set_deleted(now.at, false);
        let Some(value) = self.fit(&mut mapped.record) else {
            // What was sent of it before is its last state.
            self.infer_gone(object.uid(), now, false);
            self.oversize.remove(object.uid());
            return;
        };
        self.record_deletion(object.uid(), value, now);
    }

    /// An object is gone though nobody saw it go.
    pub(crate) fn infer_gone(&mut self, uid: &str, now: ClockReading, missed: bool) {
        let Some(entry) = self.memory.get(uid).filter(|entry| !entry.gone) else {
            return;
        };
        if entry.kind == RecordKind::Node
            && let Some(record) = decode(&entry.value, &self.schemas)
        {
            self.heartbeats.forget_node(record.name(), uid);
        }
        if missed {
            self.metrics
                .inferred_deletes
                .with_label_values(&[entry.kind.as_str()])
                .inc();
            self.owners.end(uid);
        }
        let value = encode_last(&entry.value, &self.schemas, now.at, true).unwrap_or_default();
        self.record_deletion(uid, value, now);
    }

    /// Takes the answer to a question about an owner.
    pub(crate) fn take_owner(&mut self, reference: &OwnerRef, owner: Option<KnownOwner>, now: ClockReading) {
        self.owners.answer(&reference.uid, owner);
        self.reconsider(&reference.uid, now);
    }

    /// What time brings: windows that end, nodes that fall silent.
    pub(crate) fn pass_time(&mut self, now: ClockReading) {
        for uid in self.coalescer.due(now.tick) {
            self.ready.push(uid);
        }
        for (uid, heartbeat) in self.heartbeats.changed(now.at) {
            self.patch(&uid, now, |record| {
                if let Record::Node(node) = record {
                    set_heartbeat(node, &heartbeat);
                }
            });
        }
        if self.owners.are_crowded() {
            let living = self.memory.living();
            self.owners
                .forget_ended(living.filter_map(|(_, entry)| entry.owner.as_deref()));
        }
        for kind in self.memory.trim_deletions() {
            self.metrics.forgotten.with_label_values(&[kind.as_str()]).inc();
        }
        self.metrics
            .unresolved
            .set(i64::try_from(self.waiting.len()).unwrap_or(i64::MAX));
        self.metrics
            .memory_bytes
            .set(i64::try_from(self.memory.bytes()).unwrap_or(i64::MAX));
    }

    /// Every object whose change still waits in a window.
    pub(crate) fn flush_windows(&mut self) {
        self.ready.extend(self.coalescer.flush());
    }

    /// Forgets owners that no living pod leads to.
    pub(crate) fn forget_owners(&mut self) {
        let living = self
            .memory
            .living()
            .filter_map(|(_, entry)| entry.owner.as_deref());
        let memory = &self.memory;
        let lives = |uid: &str| memory.get(uid).is_some_and(|entry| !entry.gone);
        self.owners.retain(living, lives);
        for pods in self.waiting.values_mut() {
            pods.retain(|pod| memory.get(pod).is_some_and(|entry| !entry.gone));
        }
        self.waiting.retain(|_, pods| !pods.is_empty());
    }

    fn listing(&mut self, resource: WatchedResource) -> &mut ResourceListing {
        self.listings.entry(resource).or_default()
    }

    /// What a complete list does not name is gone.
    fn end_list(&mut self, resource: WatchedResource, now: ClockReading) {
        let listing = self.listing(resource);
        let relisted = std::mem::replace(&mut listing.complete, true);
        listing.answered = true;
        let seen = listing.seen.take().unwrap_or_default();
        if relisted {
            self.metrics.relists.with_label_values(&[resource.as_str()]).inc();
        }
        if resource == WatchedResource::Leases {
            self.heartbeats.confirm_view(now.at);
        }
        let lost: Vec<Arc<str>> = self
            .memory
            .living()
            .filter(|(uid, entry)| entry.resource == resource && !seen.contains(&***uid))
            .map(|(uid, _)| uid.clone())
            .collect();
        for uid in lost {
            self.infer_gone(&uid, now, true);
        }
        self.health.resource(resource, ResourceState::Watching);
    }

    fn learn_owner(&mut self, object: &KubeObject, now: ClockReading) {
        let kind = match object {
            KubeObject::Deployment(_) => "Deployment",
            KubeObject::StatefulSet(_) => "StatefulSet",
            KubeObject::DaemonSet(_) => "DaemonSet",
            KubeObject::ReplicaSet(_) => "ReplicaSet",
            KubeObject::CronJob(_) => "CronJob",
            KubeObject::Job(_) => "Job",
            KubeObject::Node(_) => "Node",
            KubeObject::Watchdog(_) => "Watchdog",
            KubeObject::Pod(_) | KubeObject::Namespace(_) | KubeObject::Lease(_) => return,
        };
        self.owners.learn(object.uid(), kind, object.meta());
        self.reconsider(object.uid(), now);
    }

    fn ask(&mut self, owner: OwnerRef) {
        if self.owners.ask(&owner) {
            self.questions.push(owner);
        }
    }

    /// An owner became known, or known to be missing: the pods that waited for it are looked at again.
    fn reconsider(&mut self, owner: &str, now: ClockReading) {
        for pod in self.waiting.remove(owner).unwrap_or_default() {
            let Some(entry) = self.memory.get(&pod).filter(|entry| !entry.gone) else {
                continue;
            };
            let Some(Record::Pod(record)) = decode(&entry.value, &self.schemas) else {
                continue;
            };
            let reference = reference_of(&record);
            match self.owners.resolve(reference.as_ref()) {
                OwnerResolution::Waiting(next) => {
                    self.waiting.entry(next.uid.clone()).or_default().push(pod);
                    self.ask(next);
                }
                OwnerResolution::End(top) => {
                    self.patch(&pod, now, |record| {
                        if let Record::Pod(pod) = record
                            && (!top.is_unresolved() || !pod.owner_resolved)
                        {
                            set_top_owner(pod, &top);
                        }
                    });
                    if self.coalescer.release(&pod) {
                        self.ready.push(pod);
                    }
                }
            }
        }
    }

    /// Changes a record that is known, without a new state of its object.
    fn patch(&mut self, uid: &str, now: ClockReading, change: impl FnOnce(&mut Record)) {
        let Some(entry) = self.memory.get(uid).filter(|entry| !entry.gone) else {
            return;
        };
        let Some(mut record) = decode(&entry.value, &self.schemas) else {
            return;
        };
        let (resource, version) = (entry.resource, entry.version.as_deref().map(str::to_owned));
        let (owner, shard) = (entry.owner.as_deref().map(str::to_owned), entry.shard);
        change(&mut record);
        let Some(value) = self.fit(&mut record) else {
            return;
        };
        let kind = record.kind();
        let since = Some(now.at);
        let observation = ObjectObservation {
            record,
            value,
            resource,
            version,
            owner,
            shard,
            at: now.at,
            since,
        };
        let noted = self.memory.note(observation);
        self.pass_on(&noted, kind, false, now);
    }

    fn pass_on(&mut self, noted: &ObservationOutcome, kind: RecordKind, waiting: bool, now: ClockReading) {
        match noted {
            ObservationOutcome::Unchanged(_) => {
                self.metrics.unchanged.with_label_values(&[kind.as_str()]).inc()
            }
            ObservationOutcome::Changed(uid) if waiting => self.coalescer.hold(uid, now.tick),
            ObservationOutcome::Changed(uid) => {
                if self.coalescer.change(uid, now.tick) {
                    self.ready.push(uid.clone());
                } else {
                    self.metrics.merged.with_label_values(&[kind.as_str()]).inc();
                }
            }
        }
    }

    fn record_deletion(&mut self, uid: &str, value: Vec<u8>, now: ClockReading) {
        self.coalescer.forget(uid);
        if let Some(roster) = &self.roster {
            roster.forget(uid);
        }
        if let Some(uid) = self.memory.record_deletion(uid, value, now.at) {
            self.ready.push(uid);
        }
    }

    /// The value of a record, shortened if need be.
    fn fit(&mut self, record: &mut Record) -> Option<Vec<u8>> {
        let largest = self.limits.largest(record.kind());
        let kind = record.kind().as_str();
        let (value, fit) = encode_to_fit(record, largest)
            .inspect_err(
                |error| tracing::error!(kind, uid = record.uid(), %error, "a record cannot be encoded"),
            )
            .ok()?;
        match fit {
            RecordFit::Whole => {}
            RecordFit::Shortened => self.metrics.shortened.with_label_values(&[kind]).inc(),
            RecordFit::TooLarge => {
                self.metrics.refused.with_label_values(&[kind]).inc();
                tracing::error!(
                    kind,
                    uid = record.uid(),
                    name = record.name(),
                    bytes = value.len(),
                    largest,
                    "a record is too large for its topic even without annotations, labels and messages, and \
                     is not sent: the ledger keeps the object's previous state; raise max.message.bytes of \
                     the topic as fleetledger doctor says"
                );
                self.oversize.insert(record.uid().to_owned());
                return None;
            }
        }
        self.oversize.remove(record.uid());
        Some(value)
    }

    /// Bytes of the largest body of a kind.
    pub(crate) fn largest(&self, kind: RecordKind) -> usize {
        self.limits.largest(kind)
    }

    /// Takes limits that have become known, and shortens what is held beyond them. What cannot be shortened so far is
    /// forgotten, and kept as the log has it.
    pub(crate) fn limit(&mut self, limits: &TopicLimits) {
        if self.limits == *limits {
            return;
        }
        self.limits = limits.clone();
        let beyond = |entry: &TrackedObject| {
            entry.value.len() > limits.largest(entry.kind) + SINGLE_OBJECT_HEADER_BYTES
        };
        let large: Vec<Arc<str>> = self.memory.beyond(beyond);
        for uid in large {
            let value = self.memory.get(&uid).map(|entry| entry.value.clone());
            let record = value.and_then(|value| decode(&value, &self.schemas));
            match record.and_then(|mut record| self.fit(&mut record)) {
                Some(value) => self.memory.shorten(&uid, value),
                None => self.memory.give_up(&uid),
            }
        }
    }

    /// Takes what the log holds of an object whose newest state is too large to be sent; false for any other object.
    pub(crate) fn keep_logged(&mut self, uid: &str, shard: u16, value: &[u8], content: LogContent) -> bool {
        if !self.oversize.contains(uid) {
            return false;
        }
        let Some(record) = decode(value, &self.schemas) else {
            return false;
        };
        let Some(resource) = WatchedResource::of_record(&record) else {
            return false;
        };
        self.memory.note(ObjectObservation {
            record,
            value: value.to_vec(),
            resource,
            version: None,
            owner: None,
            shard,
            at: content.since,
            since: Some(content.since),
        });
        if let Some(entry) = self.memory.get_mut(uid) {
            entry.sent = Some(content.hash);
        }
        true
    }

    fn map(&self, object: &KubeObject, heartbeat: &NodeHeartbeat) -> Option<MappedObject> {
        let rules = &self.rules;
        let mut waiting = None;
        let record = match object {
            KubeObject::Lease(_) => return None,
            KubeObject::Namespace(o) => object::namespace(o, rules).into_record(),
            KubeObject::Node(o) => object::node(o, rules, heartbeat).into_record(),
            KubeObject::Deployment(o) => object::deployment(o, rules).into_record(),
            KubeObject::StatefulSet(o) => object::stateful_set(o, rules).into_record(),
            KubeObject::DaemonSet(o) => object::daemon_set(o, rules).into_record(),
            KubeObject::ReplicaSet(o) => object::replica_set(o, rules)?.into_record(),
            KubeObject::CronJob(o) => object::cron_job(o, rules).into_record(),
            KubeObject::Job(o) => object::job(o, rules).into_record(),
            KubeObject::Watchdog(o) => object::watchdog(o, rules).into_record(),
            KubeObject::Pod(o) => {
                let top = match self.owners.resolve(OwnerRef::of(&o.metadata).as_ref()) {
                    OwnerResolution::End(top) if top.is_unresolved() => {
                        self.known_top(object.uid()).unwrap_or(top)
                    }
                    OwnerResolution::End(top) => top,
                    OwnerResolution::Waiting(owner) => self.known_top(object.uid()).unwrap_or_else(|| {
                        let top = owner.unresolved();
                        waiting = Some(owner);
                        top
                    }),
                };
                object::pod(o, rules, &top).into_record()
            }
        };
        let owner = OwnerRef::of(object.meta()).filter(|_| record.kind() == RecordKind::Pod);
        Some(MappedObject {
            record,
            owner,
            waiting,
        })
    }

    /// The top owner that memory holds of a pod: never downgraded in the pod's life.
    fn known_top(&self, uid: &str) -> Option<TopOwner> {
        let Record::Pod(pod) = decode(&self.memory.get(uid)?.value, &self.schemas)? else {
            return None;
        };
        let pod = *pod;
        if !pod.owner_resolved {
            return None;
        }
        Some(TopOwner::Known {
            kind: pod.workload_kind?,
            name: pod.workload?,
            uid: pod.workload_uid?,
        })
    }
}

fn reference_of(pod: &fleetledger_schema::record::Pod) -> Option<OwnerRef> {
    Some(OwnerRef {
        api_version: String::new(),
        kind: pod.owner_kind.clone()?,
        name: pod.owner.clone()?,
        uid: pod.owner_uid.clone()?,
        namespace: Some(pod.namespace.clone()),
    })
}

//! Who owns a pod in the end, by ownerReferences alone: names are never parsed.

use std::collections::{HashMap, HashSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::object::{TopOwner, controller};

/// Owners that are gone are let gather up to so many, or as many as are needed, before they are looked through.
const GATHER: usize = 1024;
/// Longest chain of owners that is followed.
const MAX_CHAIN: usize = 8;

/// A reference to an owner.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct OwnerRef {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) uid: String,
    /// Namespace of what it owns; an owner lives there or has none.
    pub(crate) namespace: Option<String>,
}

impl OwnerRef {
    /// The reference that controls the object.
    pub(crate) fn of(meta: &ObjectMeta) -> Option<Self> {
        controller(meta).map(|owner| Self {
            api_version: owner.api_version.clone(),
            kind: owner.kind.clone(),
            name: owner.name.clone(),
            uid: owner.uid.clone(),
            namespace: meta.namespace.clone(),
        })
    }

    /// A chain that ends with this reference, because who owns its owner is not known.
    pub(crate) fn unresolved(&self) -> TopOwner {
        TopOwner::Unresolved {
            kind: self.kind.clone(),
            name: self.name.clone(),
            uid: self.uid.clone(),
        }
    }
}

/// What is known of an owner: its name and who owns it in turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KnownOwner {
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) controller: Option<OwnerRef>,
}

/// Every owner seen, by uid. An owner stays known after its deletion while a living pod leads to it.
#[derive(Debug, Default)]
pub(crate) struct OwnerIndex {
    known: HashMap<String, KnownOwner>,
    asked: HashSet<String>,
    missing: HashSet<String>,
    /// Known ones that are gone.
    ended: HashSet<String>,
    /// How many of them were still needed when the others were forgotten.
    ended_and_needed: usize,
}

/// Where a chain of owners ends, as far as is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OwnerResolution {
    End(TopOwner),
    /// This owner in the chain is not known yet.
    Waiting(OwnerRef),
}

impl OwnerIndex {
    /// Follows the chain that begins with `first`. An owner already known to be missing ends it unresolved, as does a
    /// circle.
    pub(crate) fn resolve(&self, first: Option<&OwnerRef>) -> OwnerResolution {
        let Some(mut reference) = first else {
            return OwnerResolution::End(TopOwner::None);
        };
        for _ in 0..MAX_CHAIN {
            let Some(owner) = self.known.get(&reference.uid) else {
                return if self.missing.contains(&reference.uid) {
                    OwnerResolution::End(reference.unresolved())
                } else {
                    OwnerResolution::Waiting(reference.clone())
                };
            };
            match &owner.controller {
                Some(next) => reference = next,
                None => {
                    return OwnerResolution::End(TopOwner::Known {
                        kind: owner.kind.clone(),
                        name: owner.name.clone(),
                        uid: reference.uid.clone(),
                    });
                }
            }
        }
        OwnerResolution::End(reference.unresolved())
    }

    /// Learns an owner. What is known of an owner is never replaced: it is resolved once.
    pub(crate) fn learn(&mut self, uid: &str, kind: &str, meta: &ObjectMeta) {
        if !self.known.contains_key(uid) {
            let owner = KnownOwner {
                kind: kind.to_owned(),
                name: meta.name.clone().unwrap_or_default(),
                controller: OwnerRef::of(meta),
            };
            self.insert(uid, owner);
        }
    }

    /// Learns the answer to a question.
    pub(crate) fn answer(&mut self, uid: &str, owner: Option<KnownOwner>) {
        self.asked.remove(uid);
        match owner {
            Some(owner) => self.insert(uid, owner),
            None => {
                self.missing.insert(uid.to_owned());
            }
        }
    }

    /// True the first time this owner is asked for.
    pub(crate) fn ask(&mut self, reference: &OwnerRef) -> bool {
        self.asked.insert(reference.uid.clone())
    }

    /// Questions without an answer so far.
    pub(crate) fn open_questions(&self) -> usize {
        self.asked.len()
    }

    /// An owner is gone.
    pub(crate) fn end(&mut self, uid: &str) {
        if self.known.contains_key(uid) {
            self.ended.insert(uid.to_owned());
        }
    }

    /// True if those that are gone are so many that it is time for [`OwnerIndex::forget_ended`].
    pub(crate) fn are_crowded(&self) -> bool {
        self.ended.len() > self.ended_and_needed * 2 + GATHER
    }

    /// Forgets owners that are gone and that no chain of the living leads to.
    pub(crate) fn forget_ended<'u>(&mut self, living: impl Iterator<Item = &'u str>) {
        let needed = self.needed(living);
        let known = &mut self.known;
        self.ended.retain(|uid| {
            let keep = needed.contains(uid);
            if !keep {
                known.remove(uid);
            }
            keep
        });
        self.ended_and_needed = self.ended.len();
    }

    /// Forgets owners that no chain of the living leads to, and asks for missing ones again. Those that have not ended and
    /// live themselves, or whose controller does, are kept: their next pod may be gone before an answer could come.
    pub(crate) fn retain<'u>(&mut self, living: impl Iterator<Item = &'u str>, lives: impl Fn(&str) -> bool) {
        let needed = self.needed(living);
        let ended = &self.ended;
        self.known.retain(|uid, owner| {
            let controller = owner
                .controller
                .as_ref()
                .map(|controller| controller.uid.as_str());
            let may_be_needed = !ended.contains(uid) && (lives(uid) || controller.is_some_and(&lives));
            needed.contains(uid) || may_be_needed
        });
        self.ended.retain(|uid| needed.contains(uid));
        self.ended_and_needed = self.ended.len();
        self.missing.clear();
    }

    /// All that the chains of the living lead to.
    fn needed<'u>(&self, living: impl Iterator<Item = &'u str>) -> HashSet<String> {
        let mut needed: HashSet<String> = HashSet::new();
        for uid in living {
            let mut next = Some(uid.to_owned());
            while let Some(uid) = next.take() {
                if needed.insert(uid.clone()) {
                    let owner = self.known.get(&uid);
                    next = owner
                        .and_then(|owner| owner.controller.as_ref())
                        .map(|owner| owner.uid.clone());
                }
            }
        }
        needed
    }

    fn insert(&mut self, uid: &str, owner: KnownOwner) {
        self.asked.remove(uid);
        self.missing.remove(uid);
        self.known.insert(uid.to_owned(), owner);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(name: &str, controller: Option<(&str, &str, &str)>) -> ObjectMeta {
        let owners = controller.map(|(kind, name, uid)| {
            vec![
                serde_json::from_value(serde_json::json!(
                {"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid, "controller": true}))
                .unwrap(),
            ]
        });
        ObjectMeta {
            name: Some(name.to_owned()),
            owner_references: owners,
            ..ObjectMeta::default()
        }
    }

    #[test]
    fn a_replica_set_named_a_b_c_under_deployment_z_leads_to_z() {
        let mut owners = OwnerIndex::default();
        let pod = OwnerRef::of(&meta("a-b-c-x1", Some(("ReplicaSet", "a-b-c", "rs")))).unwrap();
        assert!(matches!(owners.resolve(Some(&pod)), OwnerResolution::Waiting(r) if r.uid == "rs"));
        owners.learn("rs", "ReplicaSet", &meta("a-b-c", Some(("Deployment", "z", "d"))));
        assert!(matches!(owners.resolve(Some(&pod)), OwnerResolution::Waiting(r) if r.uid == "d"));
        owners.learn("d", "Deployment", &meta("z", None));
        let z = TopOwner::Known {
            kind: "Deployment".into(),
            name: "z".into(),
            uid: "d".into(),
        };
        assert_eq!(owners.resolve(Some(&pod)), OwnerResolution::End(z.clone()));
        // The deployment is deleted; the pod lives on and keeps its answer.
        owners.retain(["rs"].into_iter(), |_| false);
        assert_eq!(owners.resolve(Some(&pod)), OwnerResolution::End(z));
        // Without pods both are kept as long as the deployment lives.
        owners.retain(std::iter::empty(), |uid| uid == "d");
        assert!(matches!(owners.resolve(Some(&pod)), OwnerResolution::End(_)));
        // One that has ended is not, however long its controller lives.
        owners.end("rs");
        owners.retain(std::iter::empty(), |uid| uid == "d");
        assert!(matches!(owners.resolve(Some(&pod)), OwnerResolution::Waiting(r) if r.uid == "rs"));
        owners.retain(std::iter::empty(), |_| false);
        assert!(matches!(owners.resolve(Some(&pod)), OwnerResolution::Waiting(_)));
    }

    #[test]
    fn owners_that_are_gone_are_forgotten_once_they_crowd_and_nobody_needs_them() {
        let mut owners = OwnerIndex::default();
        owners.learn("idle", "Deployment", &meta("idle", None));
        for number in 0..=GATHER {
            let uid = format!("job-{number}");
            assert!(!owners.are_crowded());
            owners.learn(&uid, "Job", &meta(&uid, None));
            owners.end(&uid);
        }
        owners.end("never-known");
        assert!(owners.are_crowded());
        owners.forget_ended(["job-7"].into_iter());
        assert!(!owners.are_crowded());
        let mut known: Vec<&String> = owners.known.keys().collect();
        known.sort();
        // One that stands is kept though it has no pods now.
        assert_eq!(known, ["idle", "job-7"]);
    }

    fn unresolved(kind: &str, name: &str, uid: &str) -> OwnerResolution {
        OwnerResolution::End(TopOwner::Unresolved {
            kind: kind.to_owned(),
            name: name.to_owned(),
            uid: uid.to_owned(),
        })
    }

    #[test]
    fn of_a_controller_that_may_not_be_read_the_reference_is_the_workload() {
        for kind in [
            "StrimziPodSet",
            "Cluster",
            "RayCluster",
            "PyTorchJob",
            "GameServer",
        ] {
            let mut owners = OwnerIndex::default();
            let pod = OwnerRef::of(&meta("p", Some((kind, "mine", "u1")))).unwrap();
            owners.answer("u1", None);
            assert_eq!(owners.resolve(Some(&pod)), unresolved(kind, "mine", "u1"));
        }
        // A Rollout stands behind a ReplicaSet that is known.
        let mut owners = OwnerIndex::default();
        let pod = OwnerRef::of(&meta("p", Some(("ReplicaSet", "web-5d8", "rs")))).unwrap();
        owners.learn(
            "rs",
            "ReplicaSet",
            &meta("web-5d8", Some(("Rollout", "web", "ro"))),
        );
        owners.answer("ro", None);
        assert_eq!(owners.resolve(Some(&pod)), unresolved("Rollout", "web", "ro"));
    }

    #[test]
    fn a_missing_owner_and_a_circle_end_unresolved() {
        let mut owners = OwnerIndex::default();
        let pod = OwnerRef::of(&meta("p", Some(("Rollout", "r", "gone")))).unwrap();
        owners.answer("gone", None);
        assert_eq!(owners.resolve(Some(&pod)), unresolved("Rollout", "r", "gone"));
        owners.learn("a", "A", &meta("a", Some(("B", "b", "b"))));
        owners.learn("b", "B", &meta("b", Some(("A", "a", "a"))));
        let circle = OwnerRef::of(&meta("p", Some(("A", "a", "a")))).unwrap();
        assert_eq!(owners.resolve(Some(&circle)), unresolved("A", "a", "a"));
        owners.retain(["a"].into_iter(), |_| false);
    }
}

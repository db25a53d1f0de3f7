//! Objects as an API server sends them, read even where a value is beyond what the types hold.
//!
//! A watch or a page is decoded as a whole: one object that cannot be read would hide all others of its resource.

use std::borrow::Cow;

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::ObjectMeta, jiff::Timestamp};
use kube::Resource as KubeResource;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _},
};
use serde_json::{Value, value::RawValue};

use crate::resource::KubeObject;

/// The last second that jiff has: in its zone furthest west it is still the year 9999.
const LAST_INSTANT: &str = "9999-12-30T22:00:00Z";
/// How names of fields that hold instants end.
const INSTANT_FIELDS: [&str; 3] = ["Time", "Timestamp", "At"];

/// An object of a resource.
#[derive(Debug, Clone)]
pub(super) struct ReadableObject<K>(K);

impl<'de, K: DeserializeOwned> Deserialize<'de> for ReadableObject<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let error = match serde_json::from_str(raw.get()) {
            Ok(object) => return Ok(Self(object)),
            Err(error) => error,
        };
        let json: Value = serde_json::from_str(raw.get()).map_err(D::Error::custom)?;
        let metadata = json.get("metadata");
        let name = |field: &str| {
            metadata
                .and_then(|of| of.get(field)?.as_str())
                .unwrap_or_default()
                .to_owned()
        };
        let (namespace, name) = (name("namespace"), name("name"));
        read(json).map(Self).map_err(|_| {
            // The client says of it that a watch failed, and no more.
            tracing::error!(
                namespace, name, %error,
                "an object cannot be read; no change of its resource is seen until the object is fixed or \
                 deleted"
            );
            D::Error::custom(error)
        })
    }
}

/// Reads an object after its instants were brought within bounds.
///
/// # Errors
/// Another value is beyond the types.
pub(super) fn read<K: DeserializeOwned>(mut json: Value) -> Result<K, serde_json::Error> {
    bound_instants(&mut json);
    serde_json::from_value(json)
}

/// API servers take any instant of the year 9999, which some write for "never"; jiff ends a little before its end.
fn bound_instants(json: &mut Value) {
    match json {
        Value::Array(items) => items.iter_mut().for_each(bound_instants),
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if INSTANT_FIELDS.iter().any(|end| name.ends_with(end)) => {
                        if text.starts_with("9999-12-3") && text.parse::<Timestamp>().is_err() {
                            LAST_INSTANT.clone_into(text);
                        }
                    }
                    other => bound_instants(other),
                }
            }
        }
        _ => {}
    }
}

impl<K: KubeResource> KubeResource for ReadableObject<K> {
    type DynamicType = K::DynamicType;
    type Scope = K::Scope;

    fn kind(of: &Self::DynamicType) -> Cow<'_, str> {
        K::kind(of)
    }

    fn group(of: &Self::DynamicType) -> Cow<'_, str> {
        K::group(of)
    }

    fn version(of: &Self::DynamicType) -> Cow<'_, str> {
        K::version(of)
    }

    fn plural(of: &Self::DynamicType) -> Cow<'_, str> {
        K::plural(of)
    }

    fn meta(&self) -> &ObjectMeta {
        self.0.meta()
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        self.0.meta_mut()
    }
}

impl<K> From<ReadableObject<K>> for KubeObject
where
    KubeObject: From<K>,
{
    fn from(object: ReadableObject<K>) -> Self {
        Self::from(object.0)
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Pod;
    use kube::core::WatchEvent;

    use super::*;

    #[test]
    fn instants_beyond_the_types_are_bounded_and_hide_nothing() {
        let line = r#"{"type": "ADDED", "object": {"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "p", "annotations": {"endTime": "9999-12-31T23:59:59Z"}},
            "status": {"startTime": "9999-12-31T23:59:59Z", "message": "9999-12-31T23:59:59Z"}}}"#;
        assert!(
            serde_json::from_str::<WatchEvent<Pod>>(line).is_err(),
            "jiff has learnt it"
        );
        let Ok(WatchEvent::Added(ReadableObject(pod))) =
            serde_json::from_str::<WatchEvent<ReadableObject<Pod>>>(line)
        else {
            panic!("not read");
        };
        let status = pod.status.unwrap();
        assert_eq!(status.start_time.unwrap().0.to_string(), LAST_INSTANT);
        assert_eq!(status.message.as_deref(), Some("9999-12-31T23:59:59Z"));
        let list = r#"{"apiVersion": "v1", "kind": "PodList", "metadata": {}, "items": [{"metadata": {"name": "p"}, "status": {"startTime": "9999-12-31T00:00:00Z"}}]}"#;
        let list: kube::core::ObjectList<ReadableObject<Pod>> = serde_json::from_str(list).unwrap();
        assert_eq!(list.items.len(), 1);
    }

    #[test]
    fn what_is_no_instant_is_an_error() {
        let line =
            r#"{"type": "ADDED", "object": {"metadata": {"name": "p"}, "status": {"startTime": "soon"}}}"#;
        assert!(serde_json::from_str::<WatchEvent<ReadableObject<Pod>>>(line).is_err());
    }
}

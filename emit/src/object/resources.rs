//! Lists of resources → [`Resources`].

use std::collections::BTreeMap;

use fleetledger_schema::record::Resources;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as KubeQuantity;

use super::quantity::Quantity;

/// A resource list as the API server writes it.
pub(super) type KubeResourceList = BTreeMap<String, KubeQuantity>;
/// The same, read.
pub(super) type ResourceList = BTreeMap<String, Quantity>;

/// Reads a list. A quantity that is none is left out: the API server has validated all of them.
pub(super) fn read(list: Option<&KubeResourceList>) -> ResourceList {
    list.into_iter()
        .flatten()
        .filter_map(|(name, quantity)| Some((name.clone(), Quantity::parse(&quantity.0).ok()?)))
        .collect()
}

/// Reads a list of limits. Of compute that a container shares, a limit of 0 is none, as the kubelet sets none for it. Of what is
/// counted out, such as cards or huge pages, 0 is a number like any other.
pub(super) fn read_limits(list: Option<&KubeResourceList>) -> ResourceList {
    let mut limits = read(list);
    limits.retain(|name, limit| {
        !limit.is_zero() || !matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage")
    });
    limits
}

/// A list as a record keeps it.
pub(super) fn resources(list: &ResourceList) -> Resources {
    let mut resources = Resources::default();
    for (name, quantity) in list {
        match name.as_str() {
            "cpu" => resources.cpu_millicores = Some(quantity.thousandths()),
            "memory" => resources.memory_bytes = Some(quantity.units()),
            "ephemeral-storage" => resources.ephemeral_storage_bytes = Some(quantity.units()),
            "pods" => resources.pods = Some(quantity.units()),
            name if name.ends_with("/gpu") => add(&mut resources.gpu_millis, quantity.thousandths()),
            name if name.ends_with("/gpu-milli") => add(&mut resources.gpu_millis, quantity.units()),
            _ => {
                resources.other.insert(name.clone(), quantity.to_string());
            }
        }
    }
    resources
}

/// A list of the API server as a record keeps it.
pub(super) fn kube_resources(list: Option<&KubeResourceList>) -> Resources {
    as_written(&read(list), list)
}

/// A list of limits of the API server as a record keeps it.
pub(super) fn kube_limits(list: Option<&KubeResourceList>) -> Resources {
    as_written(&read_limits(list), list)
}

/// What no column is for stays as it is written in `list`.
fn as_written(read: &ResourceList, list: Option<&KubeResourceList>) -> Resources {
    let mut resources = resources(read);
    for (name, text) in &mut resources.other {
        if let Some(quantity) = list.and_then(|list| list.get(name)) {
            text.clone_from(&quantity.0);
        }
    }
    resources
}

fn add(sum: &mut Option<i64>, more: i64) {
    *sum = Some(sum.unwrap_or(0).saturating_add(more));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_0_is_no_limit_of_what_is_shared() {
        let list = [
            ("cpu", "0"),
            ("memory", "0Gi"),
            ("nvidia.com/gpu", "0"),
            ("hugepages-2Mi", "0"),
        ];
        let list: KubeResourceList = list
            .into_iter()
            .map(|(n, q)| (n.to_owned(), KubeQuantity(q.to_owned())))
            .collect();
        let limits = kube_limits(Some(&list));
        assert_eq!((limits.cpu_millicores, limits.memory_bytes), (None, None));
        assert_eq!(limits.gpu_millis, Some(0));
        assert_eq!(limits.other.len(), 1);
    }

    #[test]
    fn cards_and_their_thousandths_add_up_and_what_is_not_set_is_null() {
        let list = [
            ("nvidia.com/gpu", "2"),
            ("alibabacloud.com/gpu-milli", "500"),
            ("memory", "1Gi"),
            ("hugepages-2Mi", "4Mi"),
        ];
        let list: KubeResourceList = list
            .into_iter()
            .map(|(n, q)| (n.to_owned(), KubeQuantity(q.to_owned())))
            .collect();
        let resources = kube_resources(Some(&list));
        assert_eq!(resources.gpu_millis, Some(2500));
        assert_eq!(resources.memory_bytes, Some(1 << 30));
        assert_eq!(resources.cpu_millicores, None);
        assert_eq!(
            resources.other.get("hugepages-2Mi").map(String::as_str),
            Some("4Mi")
        );
    }
}

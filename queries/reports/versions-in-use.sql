/*---
report: Which versions run
description: Kubelet, kernel, runtime and operating system, by cluster.
---*/
select datacenter, cluster, kubelet_version, kernel_version, container_runtime_version, os_image, count(*) as nodes
from node
group by 1, 2, 3, 4, 5, 6
order by 1, 2, nodes desc

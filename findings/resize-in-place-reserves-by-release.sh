#!/usr/bin/env bash
# Outside CI. What the scheduler reserves while two containers of a pod exchange their CPU in place (one asks for 1 core and
# runs with 3, the other asks for 3 and runs with 1) depends on the release of Kubernetes: k8s.io/component-helpers v0.35.4
# sums the containers' maxima (6 cores), v0.37.2 takes the larger of the sums (4 cores). Exits non-zero once that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT

reserved() {
    mkdir "$folder/$1"
    cd "$folder/$1"
    cat > main.go <<'GO'
package main

import (
	"encoding/json"
	"fmt"

	v1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/resource"
)

const pod = `{
  "spec": {"containers": [
    {"name": "a", "resources": {"requests": {"cpu": "1"}}},
    {"name": "b", "resources": {"requests": {"cpu": "3"}}}]},
  "status": {"containerStatuses": [
    {"name": "a", "resources": {"requests": {"cpu": "3"}}, "allocatedResources": {"cpu": "3"}},
    {"name": "b", "resources": {"requests": {"cpu": "1"}}, "allocatedResources": {"cpu": "1"}}]}}`

func main() {
	var p v1.Pod
	if err := json.Unmarshal([]byte(pod), &p); err != nil {
		panic(err)
	}
	list := resource.PodRequests(&p, resource.PodResourcesOptions{UseStatusResources: true})
	fmt.Println(list.Cpu().MilliValue())
}
GO
    printf 'module finding\n\ngo 1.25.0\n\nrequire (\n\tk8s.io/api %s\n\tk8s.io/component-helpers %s\n)\n' "$1" "$1" > go.mod
    CGO_ENABLED=0 go run -mod=mod .
}

old=$(reserved v0.35.4)
new=$(reserved v0.37.2)
echo "$(go version): v0.35.4 reserves $old thousandths of a core, v0.37.2 $new"
[ "$old" = 6000 ] && [ "$new" = 4000 ]

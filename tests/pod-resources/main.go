// Command pod-resources says what Kubernetes' own library makes of pods: it reads one pod a line, as JSON, and writes what
// the scheduler reserves for it, its limit, and what is reserved for each of its app containers.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	v1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/resource"
)

type amounts map[string]string

type answer struct {
	Requests   amounts   `json:"requests"`
	Limits     amounts   `json:"limits"`
	Containers []amounts `json:"containers"`
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<24)
	out := json.NewEncoder(os.Stdout)
	for in.Scan() {
		var pod v1.Pod
		if err := json.Unmarshal(in.Bytes(), &pod); err != nil {
			fail(err)
		}
		options := resource.PodResourcesOptions{
			UseStatusResources: true,
			InPlacePodLevelResourcesVerticalScalingEnabled: true,
		}
		said := answer{Limits: read(resource.PodLimits(&pod, options))}
		options.ContainerFn = func(list v1.ResourceList, kind resource.ContainerType) {
			if kind == resource.Containers {
				said.Containers = append(said.Containers, read(list))
			}
		}
		said.Requests = read(resource.PodRequests(&pod, options))
		if err := out.Encode(said); err != nil {
			fail(err)
		}
	}
	if err := in.Err(); err != nil {
		fail(err)
	}
}

// read gives CPU in thousandths of a core and everything else in ones, rounded up as the library rounds.
func read(list v1.ResourceList) amounts {
	all := amounts{}
	for name, quantity := range list {
		value := quantity.Value()
		if name == v1.ResourceCPU {
			value = quantity.MilliValue()
		}
		all[string(name)] = fmt.Sprint(value)
	}
	return all
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "pod-resources:", err)
	os.Exit(1)
}

// Command kube-apiserver is the real Kubernetes API server with the real etcd in one process.
//
// The tests of this repository talk to it as they would to a cluster's control plane. It takes the
// flags of kube-apiserver, and of its own:
//
//	--etcd-data-dir=DIR      where etcd keeps its data (emptied by nobody: a restart finds its objects)
//	--etcd-client-port=PORT  loopback port of etcd, for gRPC and its JSON gateway (compaction in tests)
//	--etcd-peer-port=PORT    loopback port etcd insists on, although it has no peers
//
// With the first argument kube-controller-manager it is the real controller manager of the same
// release and takes that one's flags. They share one binary because they share nearly all of their code.
package main

import (
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/component-base/cli"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
)

const controllerManager = "kube-controller-manager"

func main() {
	if len(os.Args) > 1 && os.Args[1] == controllerManager {
		os.Args = os.Args[1:]
		os.Exit(cli.Run(controllermanager.NewControllerManagerCommand()))
	}
	own := map[string]string{"etcd-data-dir": "", "etcd-client-port": "", "etcd-peer-port": ""}
	args := os.Args[:1:1]
	for _, arg := range os.Args[1:] {
		name, value, _ := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		if _, ours := own[name]; ours {
			own[name] = value
		} else {
			args = append(args, arg)
		}
	}
	for name, value := range own {
		if value == "" {
			fail(fmt.Errorf("--%s is required", name))
		}
	}
	client := loopback(own["etcd-client-port"])
	etcd, err := startEtcd(own["etcd-data-dir"], client, loopback(own["etcd-peer-port"]))
	if err != nil {
		fail(fmt.Errorf("start etcd: %w", err))
	}
	go func() { fail(fmt.Errorf("etcd stopped: %w", <-etcd.Err())) }()

	os.Args = append(args, "--etcd-servers="+client.String())
	os.Exit(cli.Run(apiserver.NewAPIServerCommand()))
}

// startEtcd is quick rather than durable: ticks of 10 ms, and nothing is synced to disk.
func startEtcd(dataDir string, client, peer url.URL) (*embed.Etcd, error) {
	config := embed.NewConfig()
	config.Dir = dataDir
	config.LogLevel = "error"
	config.WarningUnaryRequestDuration = time.Second
	config.TickMs, config.ElectionMs = 10, 100
	config.UnsafeNoFsync = true
	config.EnableGRPCGateway = true
	config.ListenClientUrls, config.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	config.ListenPeerUrls, config.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	etcd, err := embed.StartEtcd(config)
	if err != nil {
		return nil, err
	}
	select {
	case <-etcd.Server.ReadyNotify():
		return etcd, nil
	case <-time.After(time.Minute):
		etcd.Close()
		return nil, fmt.Errorf("no leader within a minute")
	}
}

func loopback(port string) url.URL {
	return url.URL{Scheme: "http", Host: "127.0.0.1:" + port}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "kube-apiserver:", err)
	os.Exit(1)
}

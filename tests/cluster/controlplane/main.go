// Every daemon of a Kubernetes cluster in one binary, for tests: linked together they have a fifth of the size,
// and there is one binary to build and to store.
//
//	controlplane etcd|kube-apiserver|kube-controller-manager|kube-scheduler|kubelet|kube-proxy|minidns [flags]
package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// Cobra commands. They are created on use, because creating one sets global flags.
var daemons = map[string]func() *cobra.Command{
	"kube-apiserver":          apiserver.NewAPIServerCommand,
	"kube-controller-manager": controllers.NewControllerManagerCommand,
	"kube-scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
	"kubelet":                 func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) },
	"kube-proxy":              proxy.NewProxyCommand,
}

func main() {
	if len(os.Args) < 2 {
		usage()
	}
// Each reads os.Args itself, and expects its own name first.
	os.Args = os.Args[1:]
	switch name := os.Args[0]; name {
	case "etcd":
		etcdmain.Main(os.Args)
	case "minidns":
		if err := serveNames(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, "minidns:", err)
			os.Exit(1)
		}
	default:
		make, known := daemons[name]
		if !known {
			usage()
		}
		os.Exit(cli.Run(make()))
	}
}

func usage() {
	names := []string{"etcd", "minidns"}
	for name := range daemons {
		names = append(names, name)
	}
	slices.Sort(names)
	fmt.Fprintln(os.Stderr, "usage: controlplane", strings.Join(names, "|"), "[flags]")
	os.Exit(2)
}

package main

import (
	"context"
	"errors"
	"flag"
	"net"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	core "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	core1 "k8s.io/client-go/listers/core/v1"
	discovery1 "k8s.io/client-go/listers/discovery/v1"
	"k8s.io/client-go/tools/clientcmd"
)

// How long a resolver may cache a response. Short, so that tests see an address that they change.
const ttl = 1

// serveNames answers A queries over UDP for the cluster's Services and for the pods of headless ones. All other names do not
// exist, so that no name is ever resolved outside.
func serveNames(arguments []string) error {
	flags := flag.NewFlagSet("minidns", flag.ContinueOnError)
	kubeconfig := flags.String("kubeconfig", "", "how to reach the API server")
	listen := flags.String("listen", "127.0.0.1:53", "the address to answer at, UDP")
	domain := flags.String("domain", "cluster.local", "the cluster's domain")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	names := zone{
		suffix:   ".svc." + *domain + ".",
		services: factory.Core().V1().Services().Lister(),
		slices:   factory.Discovery().V1().EndpointSlices().Lister(),
	}
	context, cancel := context.WithCancel(context.Background())
	defer cancel()
	factory.Start(context.Done())
	for kind, synced := range factory.WaitForCacheSync(context.Done()) {
		if !synced {
			return errors.New("no list of " + kind.String())
		}
	}
	socket, err := net.ListenPacket("udp", *listen)
	if err != nil {
		return err
	}
	query := make([]byte, 1500)
	for {
		length, from, err := socket.ReadFrom(query)
		if err != nil {
			return err
		}
		if answer, ok := names.answer(query[:length]); ok {
			_ = socket.SetWriteDeadline(time.Now().Add(time.Second))
			_, _ = socket.WriteTo(answer, from)
		}
	}
}

type zone struct {
	suffix   string
	services core1.ServiceLister
	slices   discovery1.EndpointSliceLister
}

func (z zone) answer(query []byte) ([]byte, bool) {
	var request dnsmessage.Message
	if request.Unpack(query) != nil || request.Response || len(request.Questions) != 1 {
		return nil, false
	}
	question := request.Questions[0]
	reply := dnsmessage.Message{
		Header: dnsmessage.Header{
			ID: request.ID, Response: true, Authoritative: true,
			RecursionDesired: request.RecursionDesired, RecursionAvailable: true,
		},
		Questions: request.Questions,
	}
	addresses, known := z.addresses(strings.ToLower(question.Name.String()))
	switch {
	case !known:
		reply.RCode = dnsmessage.RCodeNameError
	case question.Type == dnsmessage.TypeA: // for AAAA the name is there, and has none
		for _, address := range addresses {
			four := net.ParseIP(address).To4()
			if four == nil {
				continue
			}
			reply.Answers = append(reply.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: question.Name, Type: question.Type, Class: question.Class, TTL: ttl},
				Body:   &dnsmessage.AResource{A: [4]byte(four)},
			})
		}
	}
	packed, err := reply.Pack()
	return packed, err == nil
}

// addresses of SERVICE.NAMESPACE or POD.SERVICE.NAMESPACE, and whether it exists.
func (z zone) addresses(name string) ([]string, bool) {
	inside, ours := strings.CutSuffix(name, z.suffix)
	if !ours {
		return nil, false
	}
	parts := strings.Split(inside, ".")
	pod := ""
	if len(parts) == 3 {
		pod, parts = parts[0], parts[1:]
	}
	if len(parts) != 2 {
		return nil, false
	}
	service, err := z.services.Services(parts[1]).Get(parts[0])
	if err != nil {
		return nil, false
	}
	if service.Spec.ClusterIP != core.ClusterIPNone && pod == "" {
		return []string{service.Spec.ClusterIP}, true
	}
	owned := labels.SelectorFromSet(labels.Set{discovery.LabelServiceName: service.Name})
	slices, err := z.slices.EndpointSlices(service.Namespace).List(owned)
	if err != nil {
		return nil, false
	}
	var addresses []string
	for _, slice := range slices {
		for _, endpoint := range slice.Endpoints {
			ready := endpoint.Conditions.Ready == nil || *endpoint.Conditions.Ready
			if ready && (pod == "" || endpoint.Hostname != nil && *endpoint.Hostname == pod) {
				addresses = append(addresses, endpoint.Addresses...)
			}
		}
	}
	return addresses, len(addresses) > 0 || pod == ""
}

"""The lab's DNS: the cluster's name server, and the resolver on the machine `internet`.

A real cluster has a server of its own (CoreDNS, most often); this one stands for it in a lab, answers
by the DNS-based service discovery specification of Kubernetes, version 1.1, and tells the rest of the
world's names only as `internet` knows them.

objects           Services, EndpointSlices and Namespaces, as far as names depend on them
endpoint_names    the names of a headless Service's endpoints
records           tables of these objects, and what stands at a name below the cluster's domain
cluster_zone      the answers of the cluster's domain and of the addresses it owns
internet_zone     the answers of everything else: a few names
answer            an answer as a value, before it is a message
wire              octets to questions, answers to octets: the one place that reads hostile ones
responder         one question from its octets to those of its answer, with what is remembered
forwarder         questions asked of another server
counts            what happened, for /metrics
datagrams, streams, name_server    UDP, TCP, and the sockets of both
program           the container `coredns`
manifests         the objects of kube-system that run it
"""

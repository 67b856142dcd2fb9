"""The lab's kubelet: makes pods out of namespaces, calls the CNI plugin, reports to the API server.

One class per node (`kubelet.Kubelet`); those of all nodes live in one process, `ciliate.lab.kube`.
"""

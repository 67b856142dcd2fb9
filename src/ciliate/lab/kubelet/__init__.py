"""The lab's kubelet: makes pods out of namespaces, calls the CNI plugin, reports to the API server.

One class per node (`kubelet.Kubelet`); those of all nodes run in one process (`lab/node_services.py`).
"""

"""The lab's small controllers: what makes `kubectl apply` of a workload come true.

Each is a module with pure decisions and one class that acts on them, level-triggered: a change
only names a key, `reconcile` reads all state again. They grow no further than the walk-through
needs; a real cluster has kube-controller-manager and kube-scheduler instead.
"""

"""Objects of Kubernetes, cilium.io and ours as msgspec Structs: pure values, one module a group or kind.

Each module holds the Structs of its kinds and their `Resource` descriptors; only the fields
Ciliate reads or writes are declared. Reading tolerates every other field, which therefore is
lost when the Struct is written back whole: `ciliate.kube` writes with patches.

All Structs are frozen and leave the garbage collector (`gc=False`): a decoded JSON document has
no cycles. This module imports nothing, so that a process pays only for the kinds it uses.
"""

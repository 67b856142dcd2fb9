"""The embedded Kubernetes API server of the lab: stores, orders and watches like the real one.

A request's journey: `server` (TLS, identity) -> `dispatch` (which part answers, by `requests`) ->
`handlers` (verbs) -> `writes` (defaults, validation, who has which fields, admission of the kind)
-> `store` (order, indexes, history) -> `journal` (SQLite) -> the answer, and `watching` (every
watcher). `apply` is server-side apply; `collector` follows owner references; `streams` carries
exec and logs to the kubelets.

Which kinds there are: `kinds` (with rules of their own), `stored_kinds` (one table: nothing acts on
them), `refused_kinds`, and `crds` with `custom_resources`; docs/KINDS.md tells users.
"""

from ciliate.apiserver.settings import ApiServerSettings

__all__ = ["ApiServerSettings"]

"""The page that says of every kind whether a lab acts on it: docs/KINDS.md.

`python -m ciliate.apiserver.kind_list > docs/KINDS.md` writes it from the tables.
"""

import sys
from collections.abc import Iterable
from typing import Final

from ciliate.apiserver.crds import definition_resource
from ciliate.apiserver.generic_kind import CATEGORY
from ciliate.apiserver.kinds import built_in
from ciliate.apiserver.refused_kinds import refused_kinds
from ciliate.apiserver.resources import ServedResource

#: Of the kinds that something acts on: what does.
_ACTED_ON: Final = {
    "ClusterRole": "API server: what tokens of service accounts may do; certificates may do everything",
    "ClusterRoleBinding": "API server: as ClusterRole",
    "ConfigMap": "kubelets: environment and volumes of pods; agents: `cilium-config`",
    "ControllerRevision": "controllers of the lab write them for DaemonSets",
    "CustomResourceDefinition": "API server: serves the kind at once",
    "DaemonSet": "controllers of the lab",
    "Deployment": "controllers of the lab",
    "Endpoints": "controllers of the lab write them",
    "EndpointSlice": "controllers of the lab write them; agents send connections there",
    "Event": "parts of the lab write them; gone after an hour",
    "Lease": "kubelets and the operator's election",
    "Namespace": "API server: its objects go with it; agents: its labels",
    "Node": "kubelets and controllers of the lab, agents, the operator",
    "Pod": "scheduler, kubelets, agents",
    "ReplicaSet": "controllers of the lab",
    "Role": "API server: as ClusterRole",
    "RoleBinding": "API server: as ClusterRole",
    "Secret": "kubelets: environment and volumes of pods; no tokens are put into it",
    "Service": "API server: addresses and ports; agents serve them; `coredns`: its names",
    "ServiceAccount": "each namespace has `default`; API server and kubelets: tokens of its pods",
    "ServiceCIDR": "API server: says its ranges; the operator keeps them from nodes",
}
_INTRODUCTION: Final = f"""\
# Kinds in a lab

A lab's API server knows the kinds that people's manifests hold, so that an installation's objects
are all taken. What happens to them differs, and is said three times: here, by a warning when one is
written, and by `kubectl explain KIND`. A real cluster has controllers for each of them, and is not
asked: this page is about `ciliate lab` alone.

    kubectl api-resources --categories={CATEGORY}    # which kinds nothing acts on
    kubectl get {CATEGORY} -A                        # all objects of such kinds

Written from the tables of `src/ciliate/apiserver` by `python -m ciliate.apiserver.kind_list`.
"""
_STORED: Final = """
## Stored only

Checked against the schema of the API (v1.33), defaulted, kept from changes of fields that cannot
change, listed, watched, patched and shown with the columns of `kubectl get`, and nothing else.

| kind | API version | scope | what does not happen |
|---|---|---|---|
"""
_DEFINED: Final = """
## Custom resources

Every served version of a CustomResourceDefinition is served; objects are stored in one of them and
change their apiVersion alone (strategy `None`). Schemas, patterns (RE2), defaults, columns, field
selectors, `status` and `scale` are as on a cluster. What is not:

| of a definition | in a lab |
|---|---|
| conversion by webhook | the definition is refused by name |
| `x-kubernetes-validations` | `self == oldSelf` of a field is enforced; other rules are stored and not evaluated, and a warning says how many |
"""
_REFUSED: Final = """
## Refused by name

| kind | API version | why |
|---|---|---|
"""


def _scope(resource: ServedResource) -> str:
    return "namespace" if resource.namespaced else "cluster"


def _by_kind(resources: Iterable[ServedResource]) -> list[ServedResource]:
    return sorted(resources, key=lambda r: (r.kind, r.group))


def render_markdown() -> str:
    """Return the page."""
    kinds = _by_kind([*built_in(), definition_resource()])
    acted = "".join(
        f"| {r.kind} | {r.api_version} | {_scope(r)} | {_ACTED_ON[r.kind]} |\n"
        for r in kinds
        if not r.note
    )
    stored = "".join(
        f"| {r.kind} | {r.api_version} | {_scope(r)} | {r.note.partition(': ')[2]} |\n"
        for r in kinds
        if r.note
    )
    refused = "".join(
        f"| {r.kind} | {r.api_version} | {r.refusal} |\n" for r in _by_kind(refused_kinds())
    )
    heads = "\n## Acted on\n\n| kind | API version | scope | by |\n|---|---|---|---|\n"
    return f"{_INTRODUCTION}{heads}{acted}{_STORED}{stored}{_DEFINED}{_REFUSED}{refused}"


if __name__ == "__main__":
    sys.stdout.write(render_markdown())

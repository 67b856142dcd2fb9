"""Workloads of the apps group, as far as a status view needs their numbers."""

from typing import Final

from msgspec import Struct

from ciliate.api.metadata import ObjectMeta
from ciliate.api.resource import Resource


class DaemonSetStatus(Struct, frozen=True, gc=False, omit_defaults=True, rename="camel"):
    """How many nodes should, do and readily run the pod."""

    desired_number_scheduled: int = 0
    current_number_scheduled: int = 0
    number_ready: int = 0
    number_available: int = 0
    number_unavailable: int = 0
    updated_number_scheduled: int = 0
    observed_generation: int = 0


class DaemonSet(Struct, frozen=True, gc=False, omit_defaults=True):
    """One pod on every node, such as `cilium`."""

    metadata: ObjectMeta = ObjectMeta()
    status: DaemonSetStatus = DaemonSetStatus()


class DeploymentSpec(Struct, frozen=True, gc=False, omit_defaults=True):
    """How many replicas are wanted; the API's default is one."""

    replicas: int = 1


class DeploymentStatus(Struct, frozen=True, gc=False, omit_defaults=True, rename="camel"):
    """How many replicas there are, in which state."""

    replicas: int = 0
    updated_replicas: int = 0
    ready_replicas: int = 0
    available_replicas: int = 0
    unavailable_replicas: int = 0
    observed_generation: int = 0


class Deployment(Struct, frozen=True, gc=False, omit_defaults=True):
    """A number of like pods, such as `cilium-operator`."""

    metadata: ObjectMeta = ObjectMeta()
    spec: DeploymentSpec = DeploymentSpec()
    status: DeploymentStatus = DeploymentStatus()


DAEMON_SETS: Final = Resource(
    "apps", "v1", "daemonsets", "DaemonSet", namespaced=True, struct=DaemonSet
)
DEPLOYMENTS: Final = Resource(
    "apps", "v1", "deployments", "Deployment", namespaced=True, struct=Deployment
)

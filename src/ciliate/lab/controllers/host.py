"""Runs all controllers over shared caches: one watch per kind for all of them."""

import asyncio
from collections.abc import Sequence

from ciliate.api.coordination import LEASES, Lease
from ciliate.api.endpoint_slice import ENDPOINT_SLICES
from ciliate.api.service import Service
from ciliate.kube.client import ApiClient
from ciliate.kube.events import EventRecorder
from ciliate.kube.informer import Informer
from ciliate.kube.paced_client import PacedClient
from ciliate.lab.controllers.daemon_set import DaemonSetController
from ciliate.lab.controllers.deployment import DeploymentController
from ciliate.lab.controllers.endpoint_slices import EndpointSliceController
from ciliate.lab.controllers.endpoints import EndpointsController
from ciliate.lab.controllers.node_cidr import NodeCidrController
from ciliate.lab.controllers.node_lifecycle import NAMESPACE, NodeLifecycleController
from ciliate.lab.controllers.pod_gc import PodGarbageCollector
from ciliate.lab.controllers.pods import OwnedPods
from ciliate.lab.controllers.replica_set import ReplicaSetController
from ciliate.lab.controllers.revision_history import RevisionHistory
from ciliate.lab.controllers.scheduler import Scheduler
from ciliate.lab.controllers.selection import Selection
from ciliate.lab.controllers.slice_mirroring import SliceMirroringController
from ciliate.lab.objects import (
    CONTROLLER_REVISIONS,
    DAEMON_SETS,
    DEPLOYMENTS,
    ENDPOINTS,
    NODES,
    REPLICA_SETS,
    Pod,
)


class ControllerHost:
    """All controllers of a lab; one task executes `run`, others those of `pods` and `services`.

    Node CIDRs come from `cluster_cidrs`; without any, their controller is off.
    """

    def __init__(
        self,
        client: ApiClient,
        pods: Informer[Pod],
        services: Informer[Service],
        *,
        cluster_cidrs: Sequence[str],
    ) -> None:
        self._client = PacedClient(client)
        self._pods = pods
        self._services = services
        self._cluster_cidrs = cluster_cidrs

    async def run(self) -> None:
        """Run every controller until cancelled."""
        client, pods, services = self._client, self._pods, self._services
        nodes = Informer(client, NODES)
        deployments = Informer(client, DEPLOYMENTS)
        replica_sets = Informer(client, REPLICA_SETS)
        daemon_sets = Informer(client, DAEMON_SETS)
        revisions = Informer(client, CONTROLLER_REVISIONS)
        endpoints = Informer(client, ENDPOINTS)
        slices = Informer(client, ENDPOINT_SLICES)
        leases: Informer[Lease] = Informer(client, LEASES, namespace=NAMESPACE)
        scheduling = EventRecorder(client, component="default-scheduler")
        managing = EventRecorder(client, component="node-controller")
        owned = OwnedPods(client, pods)
        history = RevisionHistory(client, revisions)
        # Before those that ask it: a listener is told in the order of their making.
        selection = Selection(services, pods)
        runs = [
            *(each.run() for each in (nodes, deployments, replica_sets, daemon_sets)),
            *(each.run() for each in (revisions, endpoints, slices, leases)),
            scheduling.run(),
            managing.run(),
            DeploymentController(client, deployments, replica_sets).run(),
            ReplicaSetController(client, replica_sets, pods, owned).run(),
            DaemonSetController(client, daemon_sets, nodes, pods, owned, history=history).run(),
            Scheduler(client, nodes, pods, scheduling).run(),
            EndpointSliceController(
                client, services, pods, nodes, slices, selection=selection
            ).run(),
            EndpointsController(client, services, pods, endpoints, selection=selection).run(),
            SliceMirroringController(client, services, endpoints, slices).run(),
            NodeLifecycleController(client, nodes, leases).run(),
            PodGarbageCollector(client, nodes, pods).run(),
        ]
        if self._cluster_cidrs:
            cidrs = NodeCidrController(client, nodes, managing, cluster_cidrs=self._cluster_cidrs)
            runs.append(cidrs.run())
        async with asyncio.TaskGroup() as tasks:
            for each in runs:
                tasks.create_task(each)

"""Runs all controllers over shared caches: one watch per kind for all of them."""

import asyncio
from collections.abc import Sequence

from ciliate.api.coordination import LEASES, Lease
from ciliate.kube.client import ApiClient
from ciliate.kube.events import EventRecorder
from ciliate.kube.informer import Informer
from ciliate.kube.paced_client import PacedClient
from ciliate.lab.controllers.daemon_set import DaemonSetController
from ciliate.lab.controllers.deployment import DeploymentController
from ciliate.lab.controllers.endpoints import EndpointsController
from ciliate.lab.controllers.node_cidr import NodeCidrController
from ciliate.lab.controllers.node_lifecycle import NAMESPACE, NodeLifecycleController
from ciliate.lab.controllers.pod_gc import PodGarbageCollector
from ciliate.lab.controllers.pods import OwnedPods
from ciliate.lab.controllers.replica_set import ReplicaSetController
from ciliate.lab.controllers.revision_history import RevisionHistory
from ciliate.lab.controllers.scheduler import Scheduler
from ciliate.lab.objects import (
    CONTROLLER_REVISIONS,
    DAEMON_SETS,
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    ENDPOINTS,
    NODES,
    REPLICA_SETS,
    SERVICES,
    Pod,
)


class ControllerHost:
    """All controllers of a lab; one task executes `run`.

    Node CIDRs come from `cluster_cidrs`; without any, their controller is off.
    """

    def __init__(
        self, client: ApiClient, pods: Informer[Pod], *, cluster_cidrs: Sequence[str]
    ) -> None:
        self._client = PacedClient(client)
        self._pods = pods
        self._cluster_cidrs = cluster_cidrs

    async def run(self) -> None:
        """Run every controller until cancelled."""
        client, pods = self._client, self._pods
        nodes = Informer(client, NODES)
        deployments = Informer(client, DEPLOYMENTS)
        replica_sets = Informer(client, REPLICA_SETS)
        daemon_sets = Informer(client, DAEMON_SETS)
        revisions = Informer(client, CONTROLLER_REVISIONS)
        services = Informer(client, SERVICES)
        endpoints = Informer(client, ENDPOINTS)
        slices = Informer(client, ENDPOINT_SLICES)
        leases: Informer[Lease] = Informer(client, LEASES, namespace=NAMESPACE)
        scheduling = EventRecorder(client, component="default-scheduler")
        managing = EventRecorder(client, component="node-controller")
        owned = OwnedPods(client, pods)
        history = RevisionHistory(client, revisions)
        runs = [
            *(each.run() for each in (nodes, deployments, replica_sets, daemon_sets)),
            *(each.run() for each in (revisions, services, endpoints, slices, leases)),
            scheduling.run(),
            managing.run(),
            DeploymentController(client, deployments, replica_sets).run(),
            ReplicaSetController(client, replica_sets, pods, owned).run(),
            DaemonSetController(client, daemon_sets, nodes, pods, owned, history=history).run(),
            Scheduler(client, nodes, pods, scheduling).run(),
            EndpointsController(client, services, pods, endpoints, slices).run(),
            NodeLifecycleController(client, nodes, leases).run(),
            PodGarbageCollector(client, nodes, pods).run(),
        ]
        if self._cluster_cidrs:
            cidrs = NodeCidrController(client, nodes, managing, cluster_cidrs=self._cluster_cidrs)
            runs.append(cidrs.run())
        async with asyncio.TaskGroup() as tasks:
            for each in runs:
                tasks.create_task(each)

"""Layer 2 announcements as the operator runs them, while it leads."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar

from ciliate.api.conditions import Verdict
from ciliate.api.coordination import LEASES, Lease
from ciliate.api.l2_announcement_policy import (
    CILIUM_L2_ANNOUNCEMENT_POLICIES,
    CiliumL2AnnouncementPolicy,
)
from ciliate.api.service import SERVICES, Service
from ciliate.cluster.context import Context
from ciliate.cluster.feature import Feature, Task
from ciliate.kube.conditions_target import ConditionsTarget
from ciliate.kube.informer import Informer
from ciliate.l2_announcements.lease_names import PREFIX
from ciliate.l2_announcements.operator.targets import LeaseTarget
from ciliate.l2_announcements.operator.verdicts import KINDS, policy_verdict
from ciliate.l2_announcements.plan import leases_wanted
from ciliate.node.announced_services import L2_CLASS, known_service
from ciliate.reconcile.reconciler import Reconciler


class L2Announcements(Feature):
    """Says what is wrong with policies, and removes Leases that no Service needs."""

    name: ClassVar[str] = "l2 announcements"

    def __init__(self, context: Context, *, enabled: bool) -> None:
        client, may_act = context.client, context.may_act
        self._enabled = enabled
        self._policies: Informer[CiliumL2AnnouncementPolicy] = Informer(
            client, CILIUM_L2_ANNOUNCEMENT_POLICIES
        )
        self._services: Informer[Service] = Informer(client, SERVICES)
        namespace = context.config.namespace
        self._leases: Informer[Lease] = Informer(client, LEASES, namespace=namespace)
        conditions = ConditionsTarget(
            client,
            CILIUM_L2_ANNOUNCEMENT_POLICIES,
            self._policies,
            KINDS,
            self._verdicts,
            may_act=may_act,
        )
        leases = LeaseTarget(client, self._leases, namespace, self._wanted, may_act=may_act)
        self._sync: Reconciler[str, Verdict] = Reconciler(conditions, conditions.desired)
        self._lease_sync: Reconciler[str, bool] = Reconciler(leases, leases.desired)
        self._policies.add_listener(lambda _old, _new: self._policies_changed())
        self._services.add_listener(self._service_changed)
        self._leases.add_listener(self._lease_changed)

    def tasks(self) -> Sequence[Task]:
        """Follow the objects, if announcing is on."""
        informers = (self._policies, self._services, self._leases)
        return tuple(each.run for each in informers) if self._enabled else ()

    def reconcilers(self) -> Sequence[Reconciler[Any, Any]]:
        """Return the reconcilers of conditions and Leases, if announcing is on."""
        return (self._sync, self._lease_sync) if self._enabled else ()

    def _policies_changed(self) -> None:
        self._sync.wake()
        self._lease_sync.wake()

    def _service_changed(self, old: Service | None, new: Service | None) -> None:
        before, after = (known_service(e, "", L2_CLASS) if e else None for e in (old, new))
        if before != after:
            self._lease_sync.wake()

    def _lease_changed(self, old: Lease | None, new: Lease | None) -> None:
        found = (new or old) if old is None or new is None else None  # Not at each renewal.
        if found is not None and found.metadata.name.startswith(PREFIX):
            self._lease_sync.touch((found.metadata.name,))

    def _verdicts(self) -> Mapping[str, Verdict] | None:
        if not self._policies.has_synced:
            return None
        found = self._policies.objects.values()
        return {each.metadata.name: policy_verdict(each) for each in found}

    def _wanted(self) -> Collection[str] | None:
        if not (self._policies.has_synced and self._services.has_synced):
            return None
        known = (known_service(e, "", L2_CLASS) for e in self._services.objects.values())
        services = [each for each in known if each is not None]
        return set(leases_wanted(self._policies.objects.values(), services).values())

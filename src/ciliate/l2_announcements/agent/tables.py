"""The policies and the Services that they may select, as the API server has them."""

import asyncio
from collections.abc import Callable

from ciliate.api.l2_announcement_policy import (
    CILIUM_L2_ANNOUNCEMENT_POLICIES,
    CiliumL2AnnouncementPolicy,
)
from ciliate.kube.client import ApiClient
from ciliate.kube.informer import Informer
from ciliate.node.announced_services import L2_CLASS
from ciliate.node.announced_tables import ServiceTables


class Tables:
    """The informers; Services are watched from the first policy on."""

    def __init__(
        self, client: ApiClient, node: str, proxy_name: str, changed: Callable[[], object]
    ) -> None:
        self._changed = changed
        self.policies: Informer[CiliumL2AnnouncementPolicy] = Informer(
            client, CILIUM_L2_ANNOUNCEMENT_POLICIES
        )
        self.services = ServiceTables(client, node, proxy_name, changed, balancer_class=L2_CLASS)
        self._follows_services = False
        self.policies.add_listener(self._policy_changed)

    @property
    def has_synced(self) -> bool:
        """Whether all that is followed has been complete once."""
        return self.policies.has_synced and (
            not self.policies.objects or (self._follows_services and self.services.has_synced)
        )

    def follow(self, tasks: asyncio.TaskGroup) -> None:
        """Watch the Services, once there is a policy."""
        if self.policies.objects and not self._follows_services:
            self._follows_services = True
            tasks.create_task(self.services.run(), name="watch Services for layer 2")

    def _policy_changed(
        self, old: CiliumL2AnnouncementPolicy | None, new: CiliumL2AnnouncementPolicy | None
    ) -> None:
        before, after = (each.spec if each is not None else None for each in (old, new))
        if before != after:
            self._changed()

"""The Secrets with certificates of nodes and relays, kept right while the operator leads."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import ClassVar, Final

from ciliate.api.metadata import ObjectMeta
from ciliate.api.secret import SECRETS, Secret
from ciliate.cluster.context import Context
from ciliate.cluster.feature import Feature, Task
from ciliate.flows.operator.plan import (
    Data,
    Trust,
    certificate_data,
    read_trust,
    renewed_trust,
    trust_data,
    wanted_certificates,
    why_renewed,
)
from ciliate.flows.operator.settings import HubbleTlsSettings
from ciliate.kube.errors import AlreadyExistsError, ConflictError, KubeError, NotFoundError
from ciliate.reconcile.backoff import Backoff
from ciliate.system.certificates import CertificateError

_log = logging.getLogger(__name__)

AUTHORITY: Final = "cilium-ca"

#: Whose Secrets these are. Others', such as cert-manager's, are left alone.
_LABELS: Final = {"app.kubernetes.io/managed-by": "cilium-operator"}

#: How often they are looked at: three requests.
_INTERVAL_S: Final = 60.0


def utc_now() -> datetime:
    """Return the time now, by the clock that certificates go by."""
    return datetime.now(UTC)


class HubbleCertificates(Feature):
    """Makes and renews the certificates by which relays and nodes know each other."""

    name: ClassVar[str] = "Hubble certificates"

    def __init__(
        self,
        context: Context,
        settings: HubbleTlsSettings,
        *,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._context = context
        self._settings = settings
        self._clock = clock
        self._told: dict[str, str] = {}  # Secret -> what was said of it last.

    def tasks(self) -> Sequence[Task]:
        """Keep the Secrets right; nothing where nobody needs them."""
        return (self._run,) if self._settings.enabled else ()

    async def _run(self) -> None:
        pause = Backoff(limit_s=_INTERVAL_S)
        while True:
            try:
                await self.keep()
            except KubeError as error:
                _log.warning("certificates of flow servers: %s; trying again", error)
                await asyncio.sleep(pause.next())
            else:
                pause.reset()
                await asyncio.sleep(_INTERVAL_S)

    async def keep(self) -> None:
        """Make what is missing, and renew what is about to end.

        Raises:
            KubeError: A request failed; what is left waits for the next round.
        """
        trust = await self._trust()
        if trust is None:
            return
        now = self._clock()
        for wanted in wanted_certificates(self._settings.cluster):
            found = await self._get(wanted.secret)
            if found is not None and not self._is_ours(found):
                continue
            why = why_renewed(found.data, wanted, trust, now) if found else "there is none"
            if why:
                data = certificate_data(wanted, trust, self._settings.validity, now)
                await self._write(found, wanted.secret, "kubernetes.io/tls", data, why)

    async def _trust(self) -> Trust | None:
        """Return who signs; None: the Secret is another's, and cannot be used."""
        found = await self._get(AUTHORITY)
        before = None
        if found is not None:
            try:
                before = read_trust(found.data)
            except CertificateError as error:
                if not self._is_ours(found):
                    self._tell(AUTHORITY, f"{error}: nothing is signed with it")
                    return None
            if before is not None and not self._is_ours(found):
                return before  # Whoever made it renews it.
        renewed = renewed_trust(before, self._clock())
        if renewed is None:
            return before
        why = "there is none" if found is None else "its end is near, or it cannot be read"
        written = await self._write(found, AUTHORITY, "Opaque", trust_data(renewed), why)
        return renewed if written else None

    async def _get(self, name: str) -> Secret | None:
        try:
            return await self._context.client.get(
                SECRETS, name, namespace=self._context.config.namespace
            )
        except NotFoundError:
            return None

    async def _write(
        self, found: Secret | None, name: str, kind: str, data: Data, why: str
    ) -> bool:
        """Write a Secret as it was seen, or not at all; return whether it is written."""
        if not self._context.may_act():
            return False
        meta = ObjectMeta(name=name, namespace=self._context.config.namespace, labels=_LABELS)
        if found is not None:
            meta = found.metadata
        secret = Secret(metadata=meta, type=kind, data=dict(data))
        try:
            if found is None:
                await self._context.client.create(SECRETS, secret)
            else:
                await self._context.client.update(SECRETS, secret)
        except (AlreadyExistsError, ConflictError):
            return False  # Somebody was faster: the next round decides anew.
        _log.info("Secret %s written: %s", name, why)
        return True

    def _is_ours(self, found: Secret) -> bool:
        return _LABELS.items() <= found.metadata.labels.items()

    def _tell(self, name: str, problem: str) -> None:
        if self._told.get(name) != problem:
            self._told[name] = problem
            _log.warning("Secret %s/%s %s", self._context.config.namespace, name, problem)

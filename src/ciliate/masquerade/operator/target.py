"""The status of every MasqueradePolicy, as a target that a reconciler keeps right."""

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Final

from ciliate.api.masquerade_policy import MASQUERADE_POLICIES, MasqueradePolicy
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import ConflictError, NotFoundError
from ciliate.kube.informer import Informer
from ciliate.kube.last_writer import find_last_writer
from ciliate.masquerade.operator.plan import Verdict, shown_verdict, status_patch, verdicts
from ciliate.masquerade.policy.book import PolicyBook
from ciliate.reconcile.target import Failures, one_by_one


class PolicyStatusTarget:
    """What the objects say of themselves; observed in their table, which follows the API."""

    name: Final = "masquerade policies"

    def __init__(
        self,
        client: ApiClient,
        table: Informer[MasqueradePolicy],
        *,
        may_act: Callable[[], bool],
    ) -> None:
        self._client = client
        self._table = table
        self._may_act = may_act
        self._book = PolicyBook()
        table.add_listener(self._changed)

    def desired(self) -> Mapping[str, Verdict] | None:
        """Return what every object should say; None while not all have been read."""
        if not (self._table.has_synced and self._may_act()):
            return None
        return verdicts(self._table.objects.values(), self._book)

    async def observe(self) -> Mapping[str, Verdict]:
        """Return what the objects say that say anything."""
        found = ((key[1], shown_verdict(each)) for key, each in self._table.objects.items())
        return {name: verdict for name, verdict in found if verdict is not None}

    async def put(self, entries: Mapping[str, Verdict]) -> Failures[str]:
        """Have objects say their verdicts."""
        return await one_by_one(entries, lambda name: self._put(name, entries[name]))

    async def remove(self, keys: Collection[str]) -> Failures[str]:  # noqa: ARG002 - the contract's.
        """Do nothing: an object that is gone says nothing."""
        return {}

    async def last_writer(self, key: str) -> str:
        """Return who wrote to an object last, as the API server notes it."""
        return await find_last_writer(self._client, MASQUERADE_POLICIES, ("", key))

    async def _put(self, name: str, verdict: Verdict) -> None:
        policy = self._table.get(name)
        if policy is None or policy.metadata.generation != verdict.generation:
            return  # The table knows more by now, and has woken who asks for this.
        try:
            await self._client.patch(
                MASQUERADE_POLICIES,
                name,
                status_patch(policy, verdict, datetime.now(UTC)),
                subresource="status",
            )
        except (NotFoundError, ConflictError):
            return  # Gone, or changed: the table will say so.

    def _changed(self, old: MasqueradePolicy | None, new: MasqueradePolicy | None) -> None:
        if new is not None:
            if old is None or old.spec != new.spec:
                self._book.put(new)
        elif old is not None:
            self._book.remove(old.metadata.name)

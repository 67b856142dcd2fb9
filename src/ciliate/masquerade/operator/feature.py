"""Masquerading as the operator runs it: one writer of the status that every node would find."""

from collections.abc import Sequence
from typing import Any, ClassVar

from ciliate.api.masquerade_policy import MASQUERADE_POLICIES, MasqueradePolicy
from ciliate.cluster.context import Context
from ciliate.cluster.feature import Feature, Task
from ciliate.kube.informer import Informer
from ciliate.masquerade.operator.plan import Verdict
from ciliate.masquerade.operator.target import PolicyStatusTarget
from ciliate.reconcile.reconciler import Reconciler


class MasqueradePolicies(Feature):
    """Says of each MasqueradePolicy whether nodes use it."""

    name: ClassVar[str] = "masquerade policies"

    def __init__(self, context: Context) -> None:
        self._table: Informer[MasqueradePolicy] = Informer(context.client, MASQUERADE_POLICIES)
        target = PolicyStatusTarget(context.client, self._table, may_act=context.may_act)
        self._sync: Reconciler[str, Verdict] = Reconciler(target, target.desired)
        # Of all: one object may take the room that another's rules needed.
        self._table.add_listener(lambda _old, _new: self._sync.wake())

    def reconcilers(self) -> Sequence[Reconciler[Any, Any]]:
        """Return the reconciler of the objects' status."""
        return (self._sync,)

    def tasks(self) -> Sequence[Task]:
        """Follow the objects."""
        return (self._table.run,)

"""A new pod is not answered for before the rules that select it decide for its packets.

Its ADD waits for the labels, where the watch of pods is behind, and then for both back ends. Where no
rule selects pods by labels or pools, an ADD waits for nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from ciliate.cni.errors import CniCode, CniError
from ciliate.masquerade.policy.local_pods import WAIT_S, LocalPods
from ciliate.masquerade.rule_list import RuleList
from ciliate.node.endpoint import Endpoint

#: How long an ADD waits for the kernel to have a new pod in its place; a kubelet asks again.
PLACED_S: Final = 5.0

#: Returns once the kernel has an endpoint where the list has it.
Placed = Callable[[Endpoint], Awaitable[None]]


class Admission:
    """Admits new endpoints, as the list of rules is then."""

    def __init__(self, listed: RuleList, pods: LocalPods, placed: Placed) -> None:
        self._list = listed
        self._pods = pods
        self._placed = placed

    async def admit(self, endpoint: Endpoint) -> None:
        """Return once the rules that select a new pod decide for its packets.

        Raises:
            CniError: Its labels are not known, there is no room for its rules, or the kernel has not
                got it; retryable.
            CiliateError: There is no room for the rules of all pods; the message says of which.
        """
        if not self._list.selects_pods:
            return
        if not await self._pods.known(endpoint):
            raise _refusal(
                endpoint,
                f"the API server has not shown this one within {WAIT_S:.0f} s",
                "the runtime asks again; if it goes on, see the agent's log",
            )
        await self._list.place_pods()
        if (reason := self._list.refusal(endpoint.id)) is not None:
            raise _refusal(endpoint, "those that select this one do not fit", str(reason))
        try:
            async with asyncio.timeout(PLACED_S):
                await self._placed(endpoint)
        except TimeoutError as error:
            raise _refusal(
                endpoint,
                f"the kernel has not got this one's rules within {PLACED_S:.0f} s",
                "see sync-masquerade-rules and sync-nftables in `cilium-dbg status`",
            ) from error


def _refusal(endpoint: Endpoint, problem: str, remedy: str) -> CniError:
    what = f"pod {endpoint.owner}: masquerade policies select pods by labels, and {problem}"
    return CniError(CniCode.TRY_AGAIN_LATER, what, remedy)

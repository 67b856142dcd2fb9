"""Tokens of a pod's service account, as its projected volumes show them: asked for, kept, renewed.

The API server gives them (TokenRequest), bound to the pod. They are asked for anew when four fifths
of their life are over, and by a kubelet that starts anew.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from ciliate.kube.client import ApiClient
from ciliate.lab.kubelet.volumes import TokenAsk, token_asks
from ciliate.lab.objects import Pod

#: Which part of its life a token is shown for; and the longest that one is (kubelet's own).
_SHOWN: Final = 0.8
_SHOWN_MAX_S: Final = 24 * 3600.0
#: When a renewal failed: the token still holds for the rest of its life.
_AGAIN_S: Final = 30.0


#: Gives a token of a pod's account.
AskForToken = Callable[[Pod, TokenAsk], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class _Held:
    text: str
    due: float


class PodTokens:
    """The tokens of one pod; `now` is a clock of seconds that only goes on."""

    def __init__(self, ask: AskForToken, now: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._now = now
        self._held: dict[TokenAsk, _Held] = {}
        self._not_before = 0.0

    def due_in_s(self) -> float | None:
        """Return when a token is to be renewed; None: there is none."""
        if not self._held:
            return None
        due = max(min(each.due for each in self._held.values()), self._not_before)
        return max(due - self._now(), 0.0)

    def postpone(self) -> None:
        """Note that a renewal failed."""
        self._not_before = self._now() + _AGAIN_S

    async def read(self, pod: Pod) -> Mapping[TokenAsk, str]:
        """Return the tokens that a pod's volumes show: those that are held and not due, and new ones.

        Raises:
            KubeError: The API server does not answer, or gives none.
        """
        wanted = token_asks(pod)
        now = self._now()
        held = {ask for ask in wanted if ask in self._held and self._held[ask].due > now}
        lacking = list(wanted - held)
        found = await asyncio.gather(*(self._ask(pod, each) for each in lacking))
        for ask, text in zip(lacking, found, strict=True):
            self._held[ask] = _Held(text, now + min(ask.life_s * _SHOWN, _SHOWN_MAX_S))
        return {each: self._held[each].text for each in wanted}


async def request_token(client: ApiClient, pod: Pod, ask: TokenAsk) -> str:
    """Return a token that the API server gives, which ends with the pod.

    Raises:
        KubeError: It does not answer, or gives none.
    """
    meta = pod.metadata
    spec = {
        "audiences": [ask.audience] if ask.audience else [],
        "expirationSeconds": ask.life_s,
        "boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": meta.name, "uid": meta.uid},
    }
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    account = pod.spec.service_account_name or "default"
    path = f"/api/v1/namespaces/{meta.namespace}/serviceaccounts/{account}/token"
    answer = await client.request("POST", path, body=json.dumps(body).encode())
    return str(json.loads(answer)["status"]["token"])

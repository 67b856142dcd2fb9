"""`agent/shutdown.py`: a restart keeps the CNI configuration, a deletion removes it."""

from typing import Any, cast

import pytest

from ciliate.agent.shutdown import has_daemon_set, is_for_good
from ciliate.api.apps import DaemonSet
from ciliate.api.core import Node
from ciliate.api.metadata import ObjectMeta
from ciliate.api.resource import Resource
from ciliate.config.installation import Installation
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import KubeError, NotFoundError, UnavailableError

DELETED_AT = "2026-01-01T00:00:00Z"
REFUSED = UnavailableError(verb="get", target="daemonset cilium", detail="refused")


def missing(target: str) -> NotFoundError:
    return NotFoundError(verb="get", target=target, detail="not found", status=404)


class Api:
    """Answers for the DaemonSet and the Node, or raises what the real client would."""

    def __init__(
        self, daemon_set: DaemonSet | Exception, node: Node | Exception | None = None
    ) -> None:
        self._answers = {"daemonsets": daemon_set, "nodes": node or Node()}
        self.asked: list[tuple[str, str, str]] = []

    async def get(self, kind: Resource[Any], name: str, *, namespace: str = "") -> object:
        self.asked.append((kind.plural, namespace, name))
        answer = self._answers[kind.plural]
        if isinstance(answer, Exception):
            raise answer
        return answer


def daemon_set(*, deleted: bool) -> DaemonSet:
    return DaemonSet(ObjectMeta(name="cilium", deletion_timestamp=DELETED_AT if deleted else None))


async def asked(api: Api) -> bool:
    return await is_for_good(cast("ApiClient", api), Installation(), node="k8s-w1")


@pytest.mark.parametrize("deleted", [False, True])
async def test_daemon_set_that_is_being_deleted_is_the_end(deleted: bool) -> None:  # noqa: FBT001 - a case.
    api = Api(daemon_set(deleted=deleted))

    assert await asked(api) is deleted
    assert api.asked == [("daemonsets", "kube-system", "cilium"), ("nodes", "", "k8s-w1")]


@pytest.mark.parametrize(
    "api",
    [Api(missing("daemonset cilium")), Api(daemon_set(deleted=False), missing("node k8s-w1"))],
    ids=["daemon set", "node"],
)
async def test_what_is_gone_is_the_end(api: Api) -> None:
    assert await asked(api)


@pytest.mark.parametrize("silence", [REFUSED, TimeoutError()], ids=["refused", "no answer"])
async def test_server_that_is_away_says_nothing_about_the_end(silence: Exception) -> None:
    assert not await asked(Api(silence))
    assert not await asked(Api(daemon_set(deleted=True), silence))


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (daemon_set(deleted=False), True),
        (daemon_set(deleted=True), False),
        (missing("daemonset cilium"), False),
    ],
    ids=["there", "being deleted", "never was"],
)
async def test_daemon_set_is_there_unless_it_is_being_deleted(
    answer: DaemonSet | KubeError,
    found: bool,  # noqa: FBT001 - a case.
) -> None:
    api = cast("ApiClient", Api(answer))

    assert await has_daemon_set(api, Installation()) is found

"""Asking the agents of all nodes, and the operator, from wherever kubectl works.

The agents' sockets are root's alone and on no network: their commands are run in their pods, by
exec. One that does not answer costs its own answer and nothing else. One that runs as a plain
process, and says that it is ready, has no pod to enter: it is out of reach, and nothing is wrong.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Generic, TypeVar

import msgspec

from ciliate.api.cilium_node import CILIUM_NODES
from ciliate.api.core import PODS, Pod
from ciliate.cli.process_agents import process_agents
from ciliate.console.installation import installation
from ciliate.errors import CiliateError
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import ForbiddenError, NotFoundError

T = TypeVar("T")

#: So many are asked at once: each is a WebSocket and a process on its node.
_ASKED_AT_ONCE: Final = 32

#: From the start of the command in the pod to its answer, beyond what it waits for.
ANSWER_S: Final = 15.0


class UnansweredError(CiliateError):
    """An agent, or the operator, gave no answer that can be used."""

    def __init__(self, *, who: str, problem: str) -> None:
        self.who = who
        self.problem = problem
        super().__init__(f"{who} does not answer: {problem}")


class RefusedError(CiliateError):
    """An agent, or the operator, says why it has no answer."""

    def __init__(self, pod: str, said: str) -> None:
        self.pod = pod
        self.said = said
        super().__init__(f"pod {pod}: {said}")


@dataclass(frozen=True, slots=True)
class AgentAnswers(Generic[T]):
    """What each node's agent answered, why some did not, and who can be asked on the node alone."""

    by_node: Mapping[str, T]
    problems: Mapping[str, str]
    out_of_reach: Mapping[str, str] = field(default_factory=dict)


async def agent_pods(client: ApiClient) -> dict[str, Pod]:
    """Return the agent's pod of each node.

    Raises:
        KubeError: The API server refuses or does not answer.
    """
    names = installation()
    found = await client.list(
        PODS, namespace=names.namespace, label_selector=names.agent_pod_selector
    )
    return {
        pod.spec.node_name: pod
        for pod in found.items
        if pod.spec.node_name and pod.metadata.deletion_timestamp is None
    }


async def ask_agents(
    client: ApiClient,
    nodes: Iterable[str],
    words: tuple[str, ...],
    answer: type[T],
    *,
    timeout_s: float = ANSWER_S,
) -> AgentAnswers[T]:
    """Run `cilium-dbg WORDS -o json` in the agents' pods of `nodes`.

    Raises:
        KubeError: The API server itself refuses or does not answer.
    """
    return await ask_each(client, dict.fromkeys(nodes, words), answer, timeout_s=timeout_s)


async def ask_each(
    client: ApiClient,
    words_by_node: Mapping[str, tuple[str, ...]],
    answer: type[T],
    *,
    timeout_s: float = ANSWER_S,
    when_asked: Callable[[], object] = lambda: None,
) -> AgentAnswers[T]:
    """Run `cilium-dbg WORDS -o json` in each agent's pod, with words of its own.

    `when_asked` is called after each answer, and after each that did not come.

    Raises:
        KubeError: The API server itself refuses or does not answer.
    """
    wanted, pods = words_by_node.keys(), await agent_pods(client)
    stating = await ready_process_agents(client, pods) if wanted - pods.keys() else ()
    out_of_reach = {
        node: f"it has no pod to ask: type `cilium-dbg {' '.join(words_by_node[node])}` on the node"
        for node in wanted & set(stating)
    }
    container = installation().agent_container_name
    turns = asyncio.Semaphore(_ASKED_AT_ONCE)
    found: dict[str, T] = {}
    problems: dict[str, str] = {}

    async def ask(node: str) -> None:
        async with turns:
            try:
                if node not in pods:
                    raise UnansweredError(
                        who=f"agent of {node}",
                        problem="it has no pod, and does not say that it is ready",
                    )
                found[node] = await _ask(
                    client, pods[node], container, words_by_node[node], answer, timeout_s=timeout_s
                )
            except CiliateError as error:
                problems[node] = str(error)
            when_asked()

    async with asyncio.TaskGroup() as tasks:
        for node in sorted(wanted - out_of_reach.keys()):
            tasks.create_task(ask(node))
    return AgentAnswers(found, problems, out_of_reach)


async def ready_process_agents(client: ApiClient, with_pod: Collection[str]) -> tuple[str, ...]:
    """Return the nodes of such agents that are ready; none for who may not read CiliumNodes.

    Raises:
        KubeError: The API server does not answer.
    """
    try:
        nodes = (await client.list(CILIUM_NODES)).items
    except (NotFoundError, ForbiddenError):
        return ()
    now = datetime.now(UTC)
    found = process_agents(nodes, with_pod)
    return tuple(sorted(name for name, agent in found.items() if agent.ready_until > now))


async def ask_operator(client: ApiClient, words: tuple[str, ...], answer: type[T]) -> T:
    """Run `cilium-dbg operator WORDS -o json` in the pods until one, the leader, answers.

    Raises:
        UnansweredError: None has one.
        KubeError: The API server itself refuses or does not answer.
    """
    names = installation()
    pods = (
        await client.list(
            PODS, namespace=names.namespace, label_selector=names.operator_pod_selector
        )
    ).items
    problem = f"it has no pod: where it runs, type `cilium-dbg operator {' '.join(words)}`"
    for pod in pods:
        try:
            return await _ask(
                client,
                pod,
                names.operator_container_name,
                ("operator", *words),
                answer,
                timeout_s=ANSWER_S,
            )
        except CiliateError as error:
            problem = str(error)
    raise UnansweredError(who="operator", problem=problem)


async def _ask(
    client: ApiClient,
    pod: Pod,
    container: str,
    words: tuple[str, ...],
    answer: type[T],
    *,
    timeout_s: float,
) -> T:
    name = pod.metadata.name
    done = await client.execute(
        name,
        ("cilium-dbg", *words, "-o", "json"),
        namespace=pod.metadata.namespace,
        container=container,
        timeout_s=timeout_s,
    )
    try:  # A command that finds something exits with 1, and has an answer all the same.
        return msgspec.json.decode(done.stdout, type=answer)
    except msgspec.MsgspecError as error:
        if said := done.stderr.decode(errors="replace").strip():
            raise RefusedError(name, said.splitlines()[-1]) from error
        problem = f"exit code {done.exit_code}: {error}"
        raise UnansweredError(who=f"pod {name}", problem=problem) from error

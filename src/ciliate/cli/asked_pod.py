"""The pod that a command is about, and the agent of its node."""

from typing import TypeVar

from ciliate.api.core import PODS, Pod
from ciliate.cli.cluster_agents import ask_agents
from ciliate.errors import CiliateError
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import NotFoundError

T = TypeVar("T")


class PodUnknownError(CiliateError):
    """There is no such pod, no node has it, or it has no network of its own."""

    def __init__(self, name: str, problem: str) -> None:
        self.name = name
        super().__init__(f"pod {name} {problem}: `kubectl get pods -A -o wide` shows them")


class UnexplainedError(CiliateError):
    """The node's agent did not say."""

    def __init__(self, node: str, problem: str) -> None:
        self.node = node
        super().__init__(f"agent of {node}: {problem}")


async def asked_pod(client: ApiClient, namespace: str, name: str) -> Pod:
    """Return a pod that has a network of its own.

    Raises:
        PodUnknownError: There is none, or it has none.
        KubeError: The API server refuses or does not answer.
    """
    try:
        pod = await client.get(PODS, name, namespace=namespace)
    except NotFoundError as error:
        raise PodUnknownError(f"{namespace}/{name}", "does not exist") from error
    if problem := networkless(pod):
        raise PodUnknownError(f"{namespace}/{name}", problem)
    return pod


def networkless(pod: Pod) -> str:
    """Return why a pod has no packets that could be explained; empty where it has."""
    if not pod.spec.node_name:
        return "is on no node yet"
    if pod.status.has_ended:
        return f"has ended ({pod.status.phase}) and sends nothing"
    if pod.spec.host_network:
        return "has its node's network: its packets have the node's address and meet no rule"
    return ""


async def ask_agent(client: ApiClient, node: str, words: tuple[str, ...], answer: type[T]) -> T:
    """Return what one node's agent says to `cilium-dbg WORDS`.

    Raises:
        UnexplainedError: It says nothing.
        KubeError: The API server refuses or does not answer.
    """
    answers = await ask_agents(client, [node], words, answer)
    if node in answers.by_node:
        return answers.by_node[node]
    raise UnexplainedError(node, {**answers.problems, **answers.out_of_reach}[node])

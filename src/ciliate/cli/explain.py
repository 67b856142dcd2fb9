"""`ciliate explain`: what would happen to a packet, or to who asks for a Service.

The agents are asked; nothing is sent. `explain service` is in `explain_service`.
"""

from typing import TYPE_CHECKING

import click

from ciliate.cli.cluster import cluster_client, kubeconfig_option, run
from ciliate.cli.explain_service import service_in_cluster
from ciliate.cli.explanation import arguments, pod_key, printed, question_of
from ciliate.cli.name_completion import complete_pods
from ciliate.cli.path.command import path_in_cluster
from ciliate.console.output import output_option
from ciliate.errors import CiliateError

if TYPE_CHECKING:
    from ciliate.api.core import Pod
    from ciliate.masquerade.explain.answer import Explanation


class PodUnknownError(CiliateError):
    """There is no such pod, no node has it, or it has no network of its own."""

    def __init__(self, name: str, problem: str) -> None:
        self.name = name
        super().__init__(f"pod {name} {problem}: `kubectl get pods -A -o wide` shows them")


class UnexplainedError(CiliateError):
    """The pod's node did not say."""

    def __init__(self, node: str, problem: str) -> None:
        self.node = node
        super().__init__(f"agent of {node}: {problem}")


@click.group("explain")
def command() -> None:
    """Say what would happen to a packet, or who would answer, and why."""


command.add_command(service_in_cluster)
command.add_command(path_in_cluster)


@command.command("masquerade")
@arguments(complete_pods)
@kubeconfig_option
@output_option
def masquerade(
    pod: str, destination: str, source_port: int, kubeconfig: str, output: str | None
) -> None:
    """Say with which source address a packet of POD to DESTINATION leaves, and why.

    POD is NAMESPACE/NAME, or NAME in namespace default. DESTINATION is ADDRESS[:PORT][/PROTOCOL]:
    with a port TCP, without one a ping. The datapath of the pod's node is asked; nothing is sent.

    \b
    Examples:
      ciliate explain masquerade default/curl-pod 203.0.113.10:443/tcp
      ciliate explain masquerade curl-pod 10.10.1.200
      ciliate explain masquerade curl-pod [2001:db8::10]:53/udp -o json
    """  # noqa: D301 - click's mark for lines that stay as they are.
    question_of(pod, destination, source_port)
    namespace, name = pod_key(pod)
    words = (f"{namespace}/{name}", destination, "--source-port", str(source_port))
    found = run(_ask(kubeconfig, namespace, name, words))
    click.echo(printed(found, output), nl=False)


async def _ask(
    kubeconfig: str, namespace: str, name: str, words: tuple[str, ...]
) -> "Explanation":
    from ciliate.api.core import PODS  # noqa: PLC0415
    from ciliate.cli.cluster_agents import ask_agents  # noqa: PLC0415
    from ciliate.kube.errors import NotFoundError  # noqa: PLC0415
    from ciliate.masquerade.explain.answer import Explanation  # noqa: PLC0415

    async with cluster_client(kubeconfig) as client:
        try:
            pod = await client.get(PODS, name, namespace=namespace)
        except NotFoundError as error:
            raise PodUnknownError(f"{namespace}/{name}", "does not exist") from error
        node = pod.spec.node_name
        if problem := networkless(pod):
            raise PodUnknownError(f"{namespace}/{name}", problem)
        asked = ("explain", "masquerade", *words)
        answers = await ask_agents(client, [node], asked, Explanation)
    if node in answers.by_node:
        return answers.by_node[node]
    raise UnexplainedError(node, {**answers.problems, **answers.out_of_reach}[node])


def networkless(pod: "Pod") -> str:
    """Return why a pod has no packets that could be explained; empty where it has."""
    if not pod.spec.node_name:
        return "is on no node yet"
    if pod.status.has_ended:
        return f"has ended ({pod.status.phase}) and sends nothing"
    if pod.spec.host_network:
        return "has its node's network: its packets have the node's address and meet no rule"
    return ""

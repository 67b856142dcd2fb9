"""`ciliate explain`: what would happen to a packet, or to who asks for a Service.

The agents are asked; nothing is sent. `explain service` is in `explain_service`, `explain path` in
`path`.
"""

from typing import TYPE_CHECKING

import click

from ciliate.cli.cluster import cluster_client, kubeconfig_option, run
from ciliate.cli.explain_service import service_in_cluster
from ciliate.cli.explanation import arguments, pod_key, printed, question_of
from ciliate.cli.name_completion import complete_pods
from ciliate.cli.path.command import path_in_cluster
from ciliate.console.output import output_option

if TYPE_CHECKING:
    from ciliate.masquerade.explain.answer import Explanation


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
    from ciliate.cli.asked_pod import ask_agent, asked_pod  # noqa: PLC0415
    from ciliate.masquerade.explain.answer import Explanation  # noqa: PLC0415

    async with cluster_client(kubeconfig) as client:
        pod = await asked_pod(client, namespace, name)
        asked = ("explain", "masquerade", *words)
        return await ask_agent(client, pod.spec.node_name, asked, Explanation)

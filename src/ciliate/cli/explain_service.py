"""`explain service`: who would answer a client of a Service, in the cluster and on one node."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import click

from ciliate.cli.cluster import cluster_client, kubeconfig_option, run
from ciliate.cli.name_completion import complete_clients, complete_services
from ciliate.console.output import output_option, render
from ciliate.console.short_names import split_kind
from ciliate.errors import CiliateError

if TYPE_CHECKING:
    from ciliate.cli.cluster_agents import AgentAnswers
    from ciliate.kube.client import ApiClient
    from ciliate.services.explain.answer import Explanation, Question

F = TypeVar("F", bound=Callable[..., Any])

_DEFAULT_NAMESPACE: Final = "default"


class ClientUnknownError(CiliateError):
    """`--from` names nobody."""

    def __init__(self, client: str, problem: str) -> None:
        self.client = client
        super().__init__(
            f"--from {client}: {problem}: give NAMESPACE/POD, the name of a node, or an address"
        )


class UnansweredServiceError(CiliateError):
    """No agent said anything."""

    def __init__(self, problems: dict[str, str]) -> None:
        self.problems = problems
        said = "; ".join(f"agent of {node}: {problem}" for node, problem in problems.items())
        super().__init__(said or "no node has an agent to ask: `ciliate status` shows them")


class _Client(NamedTuple):
    """Whom agents are asked about: `node` is where it is, empty: outside, or any."""

    text: str
    node: str = ""


def _arguments(function: F) -> F:
    client = click.option(
        "--from",
        "client",
        metavar="POD|NODE|ADDRESS",
        default="",
        shell_complete=complete_clients,
        help="Who asks. Without it any process of a node; an address of nobody is outside.",
    )
    service = click.argument(
        "service", metavar="NAMESPACE/NAME[:PORT]", shell_complete=complete_services
    )
    return service(client(function))


@click.command("service")
@_arguments
@kubeconfig_option
@output_option
def service_in_cluster(service: str, client: str, kubeconfig: str, output: str | None) -> None:
    """Say which endpoints of a Service a client would get, and why not the others.

    PORT is a name or number of the Service's; without NAMESPACE it is default. Asked are the agents:
    what is in the maps of the client's node decides, and what the API says otherwise is named.
    Without --from, or of a client outside, every node answers; those that say the same are one.

    \b
    Examples:
      ciliate explain service default/webpod
      ciliate explain service webpod:80 --from default/curl-pod
      ciliate explain service shop/web:http --from 198.51.100.7 -o json
    """  # noqa: D301 - click's mark for lines that stay as they are.
    from ciliate.cli.service_explanation import explanation_text, grouped  # noqa: PLC0415

    question_of(service, client)
    answers = run(_ask(kubeconfig, service, client))
    found = answers.by_node
    for node, problem in {**answers.problems, **answers.out_of_reach}.items():
        click.echo(f"agent of {node}: {problem}", err=True)
    if output is not None:
        click.echo(render(list(found.values()), output), nl=False)
        return
    texts = [explanation_text(each, nodes) for nodes, each in grouped(found)]
    click.echo("\n".join(texts), nl=False)


@click.command("service")
@_arguments
@output_option
def service_here(service: str, client: str, output: str | None) -> None:
    """Say which endpoints of a Service a client of this node would get, and why not the others.

    PORT is a name or number of the Service's; without NAMESPACE it is default. What is in the maps
    decides, and what the API says otherwise is named.

    \b
    Examples:
      cilium-dbg explain service default/webpod
      cilium-dbg explain service webpod:80 --from default/curl-pod
      cilium-dbg explain service shop/web:http --from 198.51.100.7 -o json
    """  # noqa: D301 - click's mark for lines that stay as they are.
    from ciliate.cli.agent_client import AgentClient  # noqa: PLC0415 - http.client: 25 ms.
    from ciliate.cli.service_explanation import explanation_text  # noqa: PLC0415
    from ciliate.services.explain.answer import Explanation  # noqa: PLC0415

    asked = question_of(service, client)
    found = AgentClient.from_environment().post("service/explain", asked, Explanation)
    text = explanation_text(found) if output is None else render(found, output)
    click.echo(text, nl=False)


def question_of(service: str, client: str) -> "Question":
    """Return what is asked: NAMESPACE/NAME[:PORT], and `svc/` before it as kubectl has it.

    Raises:
        click.BadParameter: That is no name of a Service.
    """
    from ciliate.services.explain.answer import Question  # noqa: PLC0415 - for who asks.

    place, _, port = service.partition(":")
    *kind, name = place.split("/")
    if kind and kind[0] in ("svc", "service", "services"):
        kind = kind[1:]
    if not name or len(kind) > 1:
        raise click.BadParameter(f"{service!r} is no NAMESPACE/NAME[:PORT] of a Service")
    namespace = kind[0] if kind else _DEFAULT_NAMESPACE
    return Question(namespace=namespace, name=name, port=port, client=split_kind(client)[1])


async def _ask(kubeconfig: str, service: str, client: str) -> "AgentAnswers[Explanation]":
    from ciliate.cli.cluster_agents import agent_pods, ask_agents  # noqa: PLC0415
    from ciliate.services.explain.answer import Explanation  # noqa: PLC0415

    async with cluster_client(kubeconfig) as api:
        await refuse_unknown(api, question_of(service, client))
        who = await _client_of(api, client)
        words = ("explain", "service", service, *(("--from", who.text) if who.text else ()))
        nodes = [who.node] if who.node else sorted(await agent_pods(api))
        answers = await ask_agents(api, nodes, words, Explanation)
    if not answers.by_node:
        raise UnansweredServiceError({**answers.problems, **answers.out_of_reach})
    return answers


async def refuse_unknown(api: "ApiClient", asked: "Question") -> None:
    """Refuse a Service or port that there is not, before all agents say so."""
    from ciliate.api.service import SERVICES  # noqa: PLC0415
    from ciliate.kube.errors import NotFoundError  # noqa: PLC0415
    from ciliate.services.explain.question import (  # noqa: PLC0415
        ServiceUnknownError,
        refuse_unknown_port,
    )

    try:
        found = await api.get(SERVICES, asked.name, namespace=asked.namespace)
    except NotFoundError as error:
        name = f"{asked.namespace}/{asked.name}"
        raise ServiceUnknownError(name, "does not exist") from error
    refuse_unknown_port(found, asked.port)


async def _client_of(api: "ApiClient", client: str) -> _Client:
    """Return who `--from` means, and its node."""
    from ciliate.api.core import NODES, PODS  # noqa: PLC0415
    from ciliate.kube.errors import NotFoundError  # noqa: PLC0415
    from ciliate.net.address import ip_address  # noqa: PLC0415

    if not client:
        return _Client("")
    try:
        return await _at(api, str(ip_address(client)))
    except ValueError:
        pass
    kind, name = split_kind(client)
    nodes = {node.metadata.name for node in (await api.list(NODES)).items}
    if kind == "no" or (not kind and name in nodes):
        if name not in nodes:
            raise ClientUnknownError(client, "there is no such node")
        return _Client(name, name)
    namespace, _, pod_name = name.rpartition("/")
    try:
        pod = await api.get(PODS, pod_name, namespace=namespace or _DEFAULT_NAMESPACE)
    except NotFoundError as error:
        raise ClientUnknownError(client, "there is no such pod, nor such a node") from error
    node = pod.spec.node_name
    if not node or pod.status.has_ended:
        raise ClientUnknownError(client, "the pod is on no node, or has ended")
    if pod.spec.host_network:
        return _Client(node, node)
    return _Client(f"{pod.metadata.namespace}/{pod.metadata.name}", node)


async def _at(api: "ApiClient", address: str) -> _Client:
    """Return who has an address: a pod, a node, or nobody of the cluster."""
    from ciliate.api.core import NODES, PODS  # noqa: PLC0415

    for pod in (await api.list(PODS)).items:
        if address in {each.ip for each in pod.status.pod_ips} and not pod.status.has_ended:
            return _Client(address, pod.spec.node_name)
    for node in (await api.list(NODES)).items:
        if address in {each.address for each in node.status.addresses}:
            return _Client(node.metadata.name, node.metadata.name)
    return _Client(address)

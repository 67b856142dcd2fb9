"""Whom DESTINATION means: an address, a pod, or a Service, whose endpoints are then the destinations."""

from dataclasses import dataclass
from typing import Final

from ciliate.api.core import Pod
from ciliate.api.service import SERVICES, Service
from ciliate.cli.asked_pod import ask_agent, asked_pod
from ciliate.cli.explain_service import question_of, refuse_unknown
from ciliate.cli.explanation import pod_key
from ciliate.cli.path.inquiry import Inquiry
from ciliate.errors import CiliateError
from ciliate.masquerade.explain.question import DestinationError, Target, read_target
from ciliate.services.explain.answer import Explanation

_SERVICE_KINDS: Final = frozenset({"svc", "service", "services"})
_DEFAULT_NAMESPACE: Final = "default"


class NoEndpointsError(CiliateError):
    """The Service answers the pod with nothing."""

    def __init__(self, service: str, problem: str) -> None:
        self.service = service
        super().__init__(
            f"service {service}: {problem}: `ciliate explain service {service}` says why"
        )


class NoCommonFamilyError(CiliateError):
    """Sender and receiver have no addresses of one family."""

    def __init__(self, sender: str, receiver: str) -> None:
        super().__init__(f"pods {sender} and {receiver} have no addresses of one IP version")


@dataclass(frozen=True, slots=True)
class Destinations:
    """ADDRESS[:PORT][/PROTOCOL], and the Service whose endpoints these are; empty: none's."""

    addresses: tuple[str, ...]
    service: str = ""


async def find_destinations(inquiry: Inquiry, sender: Pod, text: str) -> Destinations:
    """Return whom `text` means to a pod.

    Raises:
        CiliateError: There is no such pod or Service; it has no endpoint for the pod; no answer.
    """
    kind, _, name = text.partition("/")
    if kind in _SERVICE_KINDS:
        return await _of_service(inquiry, sender, name)
    try:
        target = read_target(text)
    except DestinationError:
        if not any(each.isalpha() for each in text.partition("/")[0]) or "[" in text:
            raise  # No pod's name either.
        receiver = await asked_pod(inquiry.client, *pod_key(text))
        return Destinations((_common_address(sender, receiver),))
    service = await _service_at(inquiry, target)
    return await _of_service(inquiry, sender, service) if service else Destinations((text,))


def _common_address(sender: Pod, receiver: Pod) -> str:
    families = [":" in each.ip for each in sender.status.pod_ips]
    for family in families:
        for each in receiver.status.pod_ips:
            if (":" in each.ip) == family:
                return each.ip
    raise NoCommonFamilyError(_name(sender), _name(receiver))


def _name(pod: Pod) -> str:
    return f"{pod.metadata.namespace}/{pod.metadata.name}"


async def _of_service(inquiry: Inquiry, sender: Pod, service: str) -> Destinations:
    """Return the endpoints that the datapath of the pod's node may choose."""
    name = service if "/" in service else f"{_DEFAULT_NAMESPACE}/{service}"
    await refuse_unknown(inquiry.client, question_of(name, ""))
    words = ("explain", "service", name, "--from", _name(sender))
    found = await ask_agent(inquiry.client, sender.spec.node_name, words, Explanation)
    endpoints = [
        f"{endpoint.endpoint}/{_protocol(port.port)}"
        for port in found.ports
        for endpoint in port.endpoints
        if endpoint.chosen
    ]
    if not endpoints:
        raise NoEndpointsError(name, found.because or "no endpoint is chosen for this pod")
    return Destinations(tuple(dict.fromkeys(endpoints)), name)


def _protocol(port: str) -> str:
    """Return the protocol of "http 80/TCP"."""
    return port.rpartition("/")[2].lower()


async def _service_at(inquiry: Inquiry, target: Target) -> str:
    """Return NAMESPACE/NAME[:PORT] of the Service that has an address; empty: none has."""
    for each in (await inquiry.client.list(SERVICES)).items:
        if str(target.address) in _addresses(each):
            name = f"{each.metadata.namespace}/{each.metadata.name}"
            return f"{name}:{target.port}" if target.port else name
    return ""


def _addresses(service: Service) -> set[str]:
    balancers = {each.ip for each in service.status.load_balancer.ingress}
    return {*service.spec.cluster_ips, *service.spec.external_ips, *balancers} - {"", "None"}

"""What a question names: a Service, and one of its ports by name or number. Pure."""

from ciliate.api.service import Service
from ciliate.errors import CiliateError
from ciliate.services.model import ServicePort


class ServiceUnknownError(CiliateError):
    """There is no such Service, or it has no such port."""

    def __init__(self, name: str, problem: str) -> None:
        self.name = name
        super().__init__(f"Service {name} {problem}: `kubectl get svc -A` shows them")


def port_text(name: str, number: int, protocol: str) -> str:
    """Return what a Service's port is called."""
    return f"{name} {number}/{protocol}".strip()


def is_named(port: ServicePort, text: str) -> bool:
    """Whether a question's text, empty for all, means a port."""
    return text in ("", port.name, str(port.port))


def refuse_unknown_port(service: Service, text: str) -> None:
    """Refuse a text that means none of a Service's ports.

    Raises:
        ServiceUnknownError: It has no such port.
    """
    ports = service.spec.ports
    if text and not any(text in (each.name, str(each.port)) for each in ports):
        there = ", ".join(port_text(each.name, each.port, each.protocol) for each in ports)
        name = f"{service.metadata.namespace}/{service.metadata.name}"
        raise ServiceUnknownError(name, f"has no port {text} (there are: {there or 'none'})")

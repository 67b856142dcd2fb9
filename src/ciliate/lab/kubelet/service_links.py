"""Variables that tell a container of Services, as kubelet makes them. Pure.

A container begins with those of the Services that its pod's namespace has at that moment, unless the
pod says `enableServiceLinks: false`, and always with those of `kubernetes`, which every client inside a
cluster reads. They are never changed: what comes later is found by its name in DNS.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from ciliate.api.resource import ObjectKey
from ciliate.api.service import NO_CLUSTER_IP, Service, ServicePort
from ciliate.lab.objects import Pod

#: The API server's own Service.
_API_SERVER: Final[ObjectKey] = ("default", "kubernetes")

#: Characters of all variables of Services: half of what a container may be asked for with.
SERVICE_BYTES_MAX: Final = 64 * 1024


def service_variables(services: Mapping[ObjectKey, Service], pod: Pod) -> dict[str, str]:
    """Return the variables of the Services that a pod's containers are told of.

    Of many in a namespace those whose names come first, as far as there is room.
    """
    linked = _linked(services, pod)
    variables: dict[str, str] = {}
    room = SERVICE_BYTES_MAX
    for name in sorted(linked, key=lambda name: (name != _API_SERVER[1], name)):
        found = _variables_of(linked[name])
        room -= sum(len(each) + len(value) for each, value in found.items())
        if room < 0:
            break
        variables |= found
    return variables


def _linked(services: Mapping[ObjectKey, Service], pod: Pod) -> dict[str, Service]:
    """Return the Services with an address by name; of one name that of the pod's namespace."""
    found: dict[str, Service] = {}
    api_server = services.get(_API_SERVER)
    if api_server is not None and _has_address(api_server):
        found[_API_SERVER[1]] = api_server
    if pod.spec.enable_service_links:
        for (namespace, name), service in services.items():
            if namespace == pod.metadata.namespace and _has_address(service):
                found[name] = service
    return found


def _has_address(service: Service) -> bool:
    return service.spec.cluster_ip not in {"", NO_CLUSTER_IP}


def _variables_of(service: Service) -> dict[str, str]:
    """Return the variables of one Service; those without a port's name are of its first port."""
    ports = service.spec.ports
    if not ports:
        return {}
    prefix, host = _variable_name(service.metadata.name), service.spec.cluster_ip
    variables = {
        f"{prefix}_SERVICE_HOST": host,
        f"{prefix}_SERVICE_PORT": str(ports[0].port),
        f"{prefix}_PORT": _url(host, ports[0]),
    }
    for port in ports:
        variables |= _variables_of_port(prefix, host, port)
    return variables


def _variables_of_port(prefix: str, host: str, port: ServicePort) -> Iterator[tuple[str, str]]:
    if port.name:
        yield f"{prefix}_SERVICE_PORT_{_variable_name(port.name)}", str(port.port)
    link = f"{prefix}_PORT_{port.port}_{port.protocol.upper()}"
    yield link, _url(host, port)
    yield f"{link}_PROTO", port.protocol.lower()
    yield f"{link}_PORT", str(port.port)
    yield f"{link}_ADDR", host


def _url(host: str, port: ServicePort) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"{port.protocol.lower()}://{shown}:{port.port}"


def _variable_name(name: str) -> str:
    """Return a name as a variable's: no variable begins with a digit."""
    upper = name.replace("-", "_").replace(".", "_").upper()
    return f"_{upper}" if upper[:1].isdigit() else upper

"""Which fields of a pod a lab does not act on, though they would change what its containers do. Pure.

A pod with one of them waits and says which: better than a pod that runs otherwise than its manifest
says. Fields that change nothing a lab shows are listed in docs/PODS.md, "Fields left out".
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from ciliate.lab.objects import Container, Pod

#: Fields of a securityContext, by whether a value of theirs is more than a lab does; and why.
_SECURITY: Final[Mapping[str, tuple[Callable[[Any], bool], str]]] = {
    "sysctls": (bool, "a lab sets no sysctls for pods"),
    "procMount": (lambda value: value not in ("", "Default"), "a lab always masks /proc"),
    "windowsOptions": (bool, "a lab's nodes run Linux"),
    "seccompProfile": (lambda value: value.get("type") == "Localhost", "a lab has no profiles"),
    "appArmorProfile": (lambda value: value.get("type") == "Localhost", "a lab has no profiles"),
}


def unsupported_field(pod: Pod, container: Container, *, is_init: bool) -> str:
    """Return the first such field, with the reason and what to do; nothing: there is none."""
    found = next(iter(_found(pod, container, is_init=is_init)), "")
    return f"{found}; remove the field" if found else ""


def _found(pod: Pod, container: Container, *, is_init: bool) -> Iterator[str]:
    spec = pod.spec
    if spec.resource_claims:
        yield "spec.resourceClaims: a lab allocates no devices"
    if spec.runtime_class_name:
        yield f"spec.runtimeClassName: {spec.runtime_class_name!r}: a lab has one runtime"
    if spec.host_users is False:
        yield "spec.hostUsers: false: a lab's pods have no user namespaces of their own"
    if spec.active_deadline_seconds is not None:
        yield "spec.activeDeadlineSeconds: a lab ends no pods by their age"
    if spec.set_hostname_as_fqdn:
        yield "spec.setHostnameAsFQDN: a lab's hostnames are short"
    yield from _of_security("spec.securityContext", spec.security_context)
    where = f"spec.{'initContainers' if is_init else 'containers'}[{container.name}]"
    if container.volume_devices:
        yield f"{where}.volumeDevices: a lab has no block devices"
    if container.resources.get("claims"):
        yield f"{where}.resources.claims: a lab allocates no devices"
    yield from _of_security(f"{where}.securityContext", container.security_context)


def _of_security(where: str, said: dict[str, Any]) -> Iterator[str]:
    for field, (is_more, why) in _SECURITY.items():
        if field in said and is_more(said[field]):
            yield f"{where}.{field}: {why}"

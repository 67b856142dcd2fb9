"""The client of a request: the names in its certificate (Kubernetes' X.509 authentication)."""

from dataclasses import dataclass
from typing import Any

from aiohttp import web


@dataclass(frozen=True, slots=True)
class User:
    """A client: its certificate's common name, and its organizations as groups."""

    name: str
    groups: tuple[str, ...]


def user_of(request: web.BaseRequest) -> User:
    """Return the client of a request; the handshake refused those without a certificate."""
    transport = request.transport
    certificate: Any = transport.get_extra_info("peercert") if transport is not None else None
    subject = [pair for rdn in (certificate or {}).get("subject", ()) for pair in rdn]
    names = [value for key, value in subject if key == "commonName"]
    groups = [value for key, value in subject if key == "organizationName"]
    return User(
        name=names[0] if names else "system:anonymous",
        groups=(*groups, "system:authenticated"),
    )

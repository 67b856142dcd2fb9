"""Clients of the server: who sends a request, by certificate, by token, or in another's name.

Kubernetes' ways: X.509, where the common name is the user and organizations are groups; bearer
tokens of service accounts (`account_tokens`); and impersonation. Nobody is anonymous.
"""

from dataclasses import dataclass, field, replace
from typing import Any, Final

from aiohttp import web

from ciliate.apiserver import errors

#: Members may do everything.
MASTERS: Final = "system:masters"
AUTHENTICATED: Final = "system:authenticated"
ACCOUNT: Final = "system:serviceaccount:"


@dataclass(frozen=True, slots=True)
class User:
    """A client; `extra` are further facts of its token."""

    name: str
    groups: tuple[str, ...]
    uid: str = ""
    extra: dict[str, list[str]] = field(default_factory=dict)
    has_certificate: bool = False

    @property
    def is_unbounded(self) -> bool:
        """Whether it may do everything, whatever roles and bindings say."""
        return self.has_certificate or MASTERS in self.groups

    def info(self) -> dict[str, Any]:
        """Return it as the API writes it (UserInfo)."""
        info: dict[str, Any] = {"username": self.name, "groups": list(self.groups)}
        if self.uid:
            info["uid"] = self.uid
        if self.extra:
            info["extra"] = self.extra
        return info


def account_groups(namespace: str) -> tuple[str, ...]:
    """Return the groups of every service account of a namespace."""
    return ("system:serviceaccounts", f"system:serviceaccounts:{namespace}")


def user_of_account(namespace: str, name: str, uid: str, extra: dict[str, list[str]]) -> User:
    """Return a service account as a client."""
    groups = (*account_groups(namespace), AUTHENTICATED)
    return User(f"{ACCOUNT}{namespace}:{name}", groups, uid, extra)


def user_of_certificate(request: web.BaseRequest) -> User | None:
    """Return the client that a request's certificate names; the handshake refused false ones."""
    transport = request.transport
    certificate: Any = transport.get_extra_info("peercert") if transport is not None else None
    if not certificate:
        return None
    subject = [pair for rdn in certificate.get("subject", ()) for pair in rdn]
    names = [value for key, value in subject if key == "commonName"]
    groups = [value for key, value in subject if key == "organizationName"]
    return User(
        name=names[0] if names else "system:anonymous",
        groups=(*groups, AUTHENTICATED),
        has_certificate=True,
    )


def impersonated(request: web.BaseRequest) -> User | None:
    """Return the user in whose name a request is to be served (`kubectl --as`); None: its own.

    Raises:
        StatusError: It names groups or more, and no user (400).
    """
    headers = request.headers
    name = headers.get("Impersonate-User", "")
    if not name:
        if any(each.lower().startswith("impersonate-") for each in headers):
            raise errors.bad_request(
                "requested impersonation without a user: send Impersonate-User"
            )
        return None
    user = User(name, tuple(headers.getall("Impersonate-Group", ())))
    if name.startswith(ACCOUNT) and not user.groups:
        namespace = name.removeprefix(ACCOUNT).partition(":")[0]
        user = replace(user, groups=account_groups(namespace))
    if AUTHENTICATED not in user.groups:
        user = replace(user, groups=(*user.groups, AUTHENTICATED))
    return replace(user, uid=headers.get("Impersonate-Uid", ""))

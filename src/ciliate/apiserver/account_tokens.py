"""Tokens of service accounts: JSON Web Tokens that this server signs and nobody else reads.

Signed by HMAC-SHA256 (RFC 7515, RFC 7518 section 3.2): the server that issues them is the only one
that checks them, so there is no public key to publish, and no library to load. The key lies beside
the store, for root alone. Claims are Kubernetes' own (bound service account tokens).
"""

import base64
import binascii
import hashlib
import hmac
import secrets
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from ciliate.apiserver.store import JsonObject
from ciliate.system.atomic_file import replace_file

#: Who issues tokens, and for whom they are where a request names nobody.
ISSUER: Final = "https://kubernetes.default.svc.cluster.local"
_KEY_BYTES: Final = 32
_TOKEN_BYTES_MAX: Final = 8192
_FILE: Final = "service-account.key"
_CLAIMS: Final = "kubernetes.io"


@dataclass(frozen=True, slots=True)
class BoundObject:
    """An object with which a token ends: its kind as claims write it ("pod"), name and uid."""

    kind: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class AccountToken:
    """What a token says; times in seconds since 1970."""

    namespace: str
    account: str
    account_uid: str
    audiences: tuple[str, ...]
    issued: int
    expires: int
    bound: tuple[BoundObject, ...] = ()
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def claims(self) -> JsonObject:
        """Return it as a token carries it."""
        own: JsonObject = {
            "namespace": self.namespace,
            "serviceaccount": {"name": self.account, "uid": self.account_uid},
        }
        own |= {each.kind: {"name": each.name, "uid": each.uid} for each in self.bound}
        return {
            "aud": list(self.audiences),
            "exp": self.expires,
            "iat": self.issued,
            "iss": ISSUER,
            "jti": self.id,
            _CLAIMS: own,
            "nbf": self.issued,
            "sub": f"system:serviceaccount:{self.namespace}:{self.account}",
        }


class AccountTokens:
    """Signs tokens and reads them back."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        header = {"alg": "HS256", "kid": hashlib.sha256(key).hexdigest()[:16], "typ": "JWT"}
        self._header = _encoded(msgspec.json.encode(header))

    @classmethod
    def load(cls, directory: Path) -> "AccountTokens":
        """Return those of the key in `directory`, which is made where there is none.

        Raises:
            OSError: The key can be neither read nor written.
        """
        path = directory / _FILE
        try:
            key = path.read_bytes()
        except FileNotFoundError:
            key = secrets.token_bytes(_KEY_BYTES)
            replace_file(path, key, mode=0o600, durable=True)
        return cls(key)

    def sign(self, token: AccountToken) -> str:
        """Return a token as text."""
        signed = f"{self._header}.{_encoded(msgspec.json.encode(token.claims()))}"
        return f"{signed}.{self._signature(signed)}"

    def read(self, text: str) -> AccountToken | None:
        """Return what a token of ours says, whether or not it holds; None: it is none of ours."""
        signed, _, signature = text.rpartition(".")
        header, _, body = signed.partition(".")
        # The header is not read but compared: nobody but us says how a token is signed.
        if len(text) > _TOKEN_BYTES_MAX or header != self._header or not text.isascii():
            return None
        if not hmac.compare_digest(signature, self._signature(signed)):
            return None
        return _parsed(msgspec.json.decode(_decoded(body)))

    def _signature(self, signed: str) -> str:
        return _encoded(hmac.digest(self._key, signed.encode(), "sha256"))


def _parsed(claims: dict[str, Any]) -> AccountToken:
    own = claims[_CLAIMS]
    account = own["serviceaccount"]
    return AccountToken(
        namespace=own["namespace"],
        account=account["name"],
        account_uid=account["uid"],
        audiences=tuple(claims["aud"]),
        issued=claims["iat"],
        expires=claims["exp"],
        bound=tuple(
            BoundObject(kind, said["name"], said["uid"])
            for kind, said in own.items()
            if kind not in ("namespace", "serviceaccount")
        ),
        id=claims["jti"],
    )


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:  # Signed by us, so never.
        return b"{}"

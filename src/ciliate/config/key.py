"""One key of the ConfigMap `cilium-config`: what it means, which texts it takes, whether we act.

Every key is a flag of the agent or the operator as well (`--<key>`), and most have a Helm value.
"""

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from ciliate.config import values
from ciliate.config.json_objects import read_json_objects
from ciliate.errors import SettingError


class Kind(enum.Enum):
    """The form of a key's text; the value is the word for it in docs/CONFIGURATION.md."""

    BOOL = "bool"
    INT = "int"
    FLOAT = "float"
    DURATION = "duration"
    STRING = "string"
    CHOICE = "choice"
    WORDS = "list"
    DEVICES = "device list"
    PORT_RANGE = "port range"
    IPV4 = "IPv4 address"
    IPV6 = "IPv6 address"
    IPV4_CIDR = "IPv4 prefix"
    IPV6_CIDR = "IPv6 prefix"
    IP_CIDRS = "prefix list"
    IPV4_CIDRS = "IPv4 prefix list"
    IPV6_CIDRS = "IPv6 prefix list"
    LISTEN = "listen address"
    POOL_COUNTS = "counts by pool"
    FLOW_FILTERS = "flow filters"


class Scope(enum.Enum):
    """Which process reads the key, and so which one must restart to see a change."""

    AGENT = "agent"
    OPERATOR = "operator"
    BOTH = "both"


_READERS: Final[Mapping[Kind, Callable[[str], object]]] = {
    Kind.BOOL: values.read_bool,
    Kind.INT: values.read_int,
    Kind.FLOAT: values.read_float,
    Kind.DURATION: values.read_duration_s,
    Kind.WORDS: values.read_words,
    Kind.DEVICES: values.read_devices,
    Kind.PORT_RANGE: values.read_port_range,
    Kind.LISTEN: values.read_listen_address,
    Kind.POOL_COUNTS: values.read_pool_counts,
    Kind.FLOW_FILTERS: read_json_objects,
    Kind.IPV4: lambda text: values.read_address(text, version=4),
    Kind.IPV6: lambda text: values.read_address(text, version=6),
    Kind.IPV4_CIDR: lambda text: values.read_cidr(text, version=4),
    Kind.IPV6_CIDR: lambda text: values.read_cidr(text, version=6),
    Kind.IP_CIDRS: values.read_cidrs,
    Kind.IPV4_CIDRS: lambda text: values.read_cidrs(text, version=4),
    Kind.IPV6_CIDRS: lambda text: values.read_cidrs(text, version=6),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key that Cilium knows.

    `default` is the text in force when the key is absent; None for keys we do not act on.
    `choices` are the texts that a CHOICE takes; `choices_later` those that Cilium takes and this
    version does not yet.
    """

    name: str
    kind: Kind
    meaning: str
    default: str | None = None
    helm: str = ""
    scope: Scope = Scope.AGENT
    choices: tuple[str, ...] = ()
    choices_later: tuple[str, ...] = ()

    @property
    def supported(self) -> bool:
        """Whether we act on the key."""
        return self.default is not None

    def check(self, text: str) -> None:
        """Accept `text` as this key's value, or say why not. Empty means unset, always accepted.

        Raises:
            SettingError: The text is not of the key's kind, or names a choice that we do not have.
        """
        if not text:
            return
        try:
            self._read(text)
        except values.ValueTextError as error:
            raise SettingError(
                key=self.name, value=text, problem=error.problem, remedy=error.remedy
            ) from error

    def _read(self, text: str) -> None:
        reader = _READERS.get(self.kind)
        if reader is not None:
            reader(text)
        elif self.kind is Kind.CHOICE and text not in self.choices:
            known = text in self.choices_later
            raise values.ValueTextError(
                problem="is not supported by this version" if known else "is not known",
                remedy="choose " + " or ".join(f'"{choice}"' for choice in self.choices),
            )

"""ip-masq-agent's file as the ranges whose packets keep the pod's address. Pure.

The file is the ConfigMap's text, YAML or JSON. It is read as a whole or not at all: one range that
cannot be read refuses all of it, since half of a list sends packets where they must not go.
"""

from collections.abc import Collection, Iterator, Mapping
from ipaddress import ip_network
from typing import Any, Final

import msgspec

from ciliate.errors import CiliateError
from ciliate.net.address import IPNetwork

#: The file of an installation by Helm, as its ConfigMap has it.
CONFIG_MAP: Final = "ConfigMap kube-system/ip-masq-agent, key config"

#: Most octets of the file: as many lines as a table has room for. A ConfigMap holds 1 MiB.
FILE_BYTES_MAX: Final = 8 << 20

#: Excluded where there is no file: private and special ranges (Cilium's list).
DEFAULT_RANGES: Final = tuple(
    map(
        ip_network,
        (
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "100.64.0.0/10",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "240.0.0.0/4",
        ),
    )
)

#: Excluded unless the file's switch of the family says otherwise.
_LINK_LOCAL: Final = {
    "masqLinkLocal": ip_network("169.254.0.0/16"),
    "masqLinkLocalIPv6": ip_network("fe80::/10"),
}
_RANGES: Final = "nonMasqueradeCIDRs"

#: IPv4 as IPv6 (RFC 4291, 2.5.5.2): such an address is on no wire.
_MAPPED: Final = ip_network("::ffff:0:0/96")


class AgentFileError(CiliateError):
    """The file is refused; what is in force stays."""

    def __init__(self, *, path: str, line: int, problem: str, remedy: str) -> None:
        self.path = path
        self.line = line
        self.problem = problem
        where = f"{path}, line {line}" if line else path
        super().__init__(
            f"{where}: {problem}: {remedy} ({CONFIG_MAP}); the list before stays in force"
        )


def read_ranges(
    octets: bytes | None, *, path: str, versions: Collection[int]
) -> tuple[IPNetwork, ...]:
    """Return the ranges that the file excludes, sorted, without doubles.

    Args:
        octets: What the file holds; None: there is none.
        path: The file, for errors.
        versions: The families that are in use; ranges of another are read and left out.

    Raises:
        AgentFileError: It cannot be read as a whole.
    """
    fields = _fields(octets, path) if octets else {}
    chosen = DEFAULT_RANGES if not octets else _ranges(fields, octets, path)
    link_local = (
        each for name, each in _LINK_LOCAL.items() if not _switch(fields, name, octets, path)
    )
    found = {each for each in (*chosen, *link_local) if each.version in versions}
    return tuple(sorted(found, key=_order))


def _order(network: IPNetwork) -> tuple[int, int, int]:
    return network.version, int(network.network_address), network.prefixlen


def _fields(octets: bytes, path: str) -> Mapping[str, Any]:
    """Return the document's fields, by their names in lower case: Cilium heeds no case either."""
    if len(octets) > FILE_BYTES_MAX:
        raise AgentFileError(
            path=path,
            line=0,
            problem=f"has {len(octets)} octets, more than {FILE_BYTES_MAX}",
            remedy="write wider ranges",
        )
    try:
        document = _decoded(octets)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise AgentFileError(
            path=path, line=0, problem=f"is no YAML: {_joined(error)}", remedy="correct it"
        ) from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise AgentFileError(
            path=path,
            line=1,
            problem=f"holds {_kind(document)} instead of fields",
            remedy=f"begin with `{_RANGES}:`",
        )
    return {str(name).lower(): value for name, value in document.items()}


def _decoded(octets: bytes) -> Any:
    """Decode JSON, as the chart writes it, in a millisecond; else YAML."""
    if octets.lstrip().startswith(b"{"):
        try:
            return msgspec.json.decode(octets)
        except msgspec.DecodeError:
            pass  # YAML has such a form too, with names that are not quoted.
    return msgspec.yaml.decode(octets)


def _ranges(fields: Mapping[str, Any], octets: bytes, path: str) -> Iterator[IPNetwork]:
    values = fields.get(_RANGES.lower())
    if values is None:
        return
    if not isinstance(values, list):
        raise AgentFileError(
            path=path,
            line=_line(octets, _RANGES),
            problem=f"{_RANGES} is {_kind(values)}",
            remedy="write a list, each range on a line of its own behind `- `",
        )
    for value in values:
        # A list in the list is not written out: by YAML's references it may be without end.
        shown = str(value) if isinstance(value, str | int | float) else _kind(value)
        try:
            yield _network(shown)
        except ValueError as error:
            raise AgentFileError(
                path=path,
                line=_line(octets, shown),
                problem=f'Invalid CIDR "{shown}": {error}',
                remedy="correct or remove it",
            ) from error


def _network(value: str) -> IPNetwork:
    """Return the range; host bits are cut off, as Cilium does.

    Raises:
        ValueError: It is none; the message says what is missing.
    """
    address, slash, length = value.partition("/")
    if not slash:
        raise ValueError("it has no prefix length, such as /32 of a single IPv4 address")
    # ip_network takes masks and zones too, which no other reader of the file does.
    is_plain = length.isascii() and length.isdigit() and "%" not in address
    try:
        network = ip_network(value if is_plain else "", strict=False)
    except ValueError as error:
        raise ValueError("it is no network, such as 10.10.1.0/24") from error
    if network.version == 6 and network.overlaps(_MAPPED) and network.prefixlen >= 96:
        raise ValueError("it is IPv4 written as IPv6: write it as 10.10.1.0/24")
    return network


def _switch(fields: Mapping[str, Any], name: str, octets: bytes | None, path: str) -> bool:
    value = fields.get(name.lower())
    if value is None or isinstance(value, bool):
        return bool(value)
    raise AgentFileError(
        path=path,
        line=_line(octets or b"", name),
        problem=f"{name} is {_kind(value)}",
        remedy="write true or false",
    )


def _line(octets: bytes, text: str) -> int:
    """Return the first line with `text`, from 1; 0 where none shows it as it is."""
    lines = octets.decode(errors="replace").splitlines()
    return next((number for number, line in enumerate(lines, start=1) if text in line), 0)


def _kind(value: object) -> str:
    match value:
        case bool():
            return "a truth value"
        case str():
            return "a text"
        case list():
            return "a list"
        case dict():
            return "an object"
    return "nothing" if value is None else "a number"


def _joined(error: Exception) -> str:
    return " ".join(str(error).split())

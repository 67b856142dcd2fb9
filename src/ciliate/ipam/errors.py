"""What can go wrong when an address is asked for."""

from collections.abc import Sequence
from typing import Final

from ciliate.errors import CiliateError
from ciliate.net.address import IPAddress, IPNetwork


class IPAMError(CiliateError):
    """An address cannot be given or kept."""


class BlockExhaustedError(IPAMError):
    """Every usable address of the block has an owner."""

    def __init__(self, cidr: IPNetwork, usable: int) -> None:
        self.cidr = cidr
        self.usable = usable
        super().__init__(
            f"range is full: all {usable} addresses of pod CIDR {cidr} are in use:"
            " delete pods on this node or give it a larger pod CIDR"
        )


class AddressTakenError(IPAMError):
    """The address asked for has another owner."""

    def __init__(self, address: IPAddress, owner: str) -> None:
        self.address = address
        self.owner = owner
        super().__init__(f"address {address} is already allocated to {owner}")


class AddressOutOfRangeError(IPAMError):
    """The address asked for is not a usable one of any block."""

    def __init__(self, address: IPAddress, *cidrs: IPNetwork) -> None:
        self.address = address
        self.cidrs = cidrs
        ranges = " ".join(map(str, cidrs)) or "empty"
        super().__init__(
            f"address {address} is not in the valid range. The range of valid IPs is {ranges}"
        )


class PoolNotReadyError(IPAMError):
    """The node holds no CIDR of that pool and family."""

    def __init__(self, pool: str, version: int) -> None:
        self.pool = pool
        self.version = version
        super().__init__(
            f'unable to allocate from pool "{pool}" (family ipv{version}): pool not (yet) available'
        )


class PoolExhaustedError(IPAMError):
    """The node holds several CIDRs of that pool and family, and all are full."""

    def __init__(self, pool: str, version: int, cidrs: tuple[IPNetwork, ...]) -> None:
        self.pool = pool
        self.version = version
        super().__init__(
            f'all pod CIDR ranges are exhausted: pool "{pool}" (family ipv{version}) has no free'
            f" address in {', '.join(map(str, cidrs))}"
        )


#: How much an error repeats of a value that a user wrote into an object.
_SHOWN_CHARACTERS: Final = 64
#: How many names an error lists before it counts the rest.
_SHOWN_NAMES: Final = 8


def shown(value: str) -> str:
    """Return `value` as a literal of at most 64 of its characters: safe in a log line."""
    if len(value) <= _SHOWN_CHARACTERS:
        return repr(value)
    return f"{value[:_SHOWN_CHARACTERS]!r}… ({len(value)} characters)"


def shown_names(names: Sequence[str]) -> str:
    """Return names as Cilium prints a list, `[blue red]`; a long one ends in its count."""
    listed = " ".join(names[:_SHOWN_NAMES])
    rest = len(names) - _SHOWN_NAMES
    return f"[{listed} and {rest} more]" if rest > 0 else f"[{listed}]"


class PoolSelectionError(IPAMError):
    """No pool can be named for a pod; `owner` is the pod, `<namespace>/<name>`."""

    def __init__(self, owner: str, message: str) -> None:
        self.owner = owner
        super().__init__(message)


class ObjectUnknownError(PoolSelectionError):
    """The agent has not seen the pod or its namespace (yet): the runtime will ask again."""

    def __init__(self, owner: str, kind: str, name: str) -> None:
        self.kind = kind
        self.name = name
        super().__init__(
            owner,
            f'resource {kind} "{name}" not found: its annotations choose the pool, and this node'
            " has not seen it: the runtime tries again; if it stays, is the object deleted?",
        )


class PoolsNotSyncedError(PoolSelectionError):
    """The first list of CiliumPodIPPools is not complete: a pool may be missing from it."""

    def __init__(self, owner: str) -> None:
        super().__init__(
            owner,
            f"pod {owner}: ipam-metadata-manager has not synced all pod IP pools yet: the runtime"
            " tries again; if it stays, can this agent list ciliumpodippools?",
        )


class PoolNameError(PoolSelectionError):
    """What an annotation says cannot be the name of a pool."""

    def __init__(
        self, owner: str, *, where: str, key: str, value: str, problem: str, nearest: str | None
    ) -> None:
        self.where = where
        self.key = key
        self.value = value
        self.nearest = nearest
        super().__init__(
            owner,
            f"pod {owner}: {key} of {where} is {shown(value)}, which {problem}"
            f"{_hint(nearest)}: write the name of a CiliumPodIPPool there, or take it away",
        )


class PoolUnknownError(PoolSelectionError):
    """The pool chosen does not exist (yet): an ADD may wait for it."""

    def __init__(
        self, owner: str, *, where: str, key: str, pool: str, nearest: str | None
    ) -> None:
        self.where = where
        self.key = key
        self.pool = pool
        self.nearest = nearest
        super().__init__(
            owner,
            f"pod {owner}: {key} of {where} is {shown(pool)}, a CiliumPodIPPool that does not exist"
            f" (yet){_hint(nearest)}: create the pool or correct the name",
        )


class PoolFamilyError(PoolSelectionError):
    """The pool chosen has no addresses of the family asked for."""

    def __init__(self, owner: str, *, where: str, key: str, pool: str, version: int) -> None:
        self.where = where
        self.key = key
        self.pool = pool
        self.version = version
        super().__init__(
            owner,
            f"pod {owner}: {key} of {where} is {shown(pool)}, a CiliumPodIPPool without IPv{version}"
            f" CIDRs: name a pool that has some in ipam.cilium.io/ipv{version}-pool, or add"
            f" spec.ipv{version} to the pool",
        )


class PoolAmbiguousError(PoolSelectionError):
    """The selectors of several pools match the pod."""

    def __init__(self, owner: str, version: int, pools: Sequence[str]) -> None:
        self.version = version
        self.pools = tuple(pools)
        super().__init__(
            owner,
            f"multiple CiliumPodIPPools match pod {owner} (family=ipv{version}):"
            f" {shown_names(pools)}: narrow their selectors or name one in the annotation"
            f" ipam.cilium.io/ipv{version}-pool",
        )


class PoolRequiredError(PoolSelectionError):
    """No pool matches, and the pod must not take an address of the default pool."""

    def __init__(self, owner: str, version: int, where: str) -> None:
        self.version = version
        self.where = where
        super().__init__(
            owner,
            f"no matching CiliumPodIPPool found for pod {owner} (family=ipv{version}) and"
            f" require-pool-match annotation is set on {where}: give the pod the labels of a"
            f" pool's selectors or the annotation ipam.cilium.io/ipv{version}-pool",
        )


def _hint(nearest: str | None) -> str:
    return "" if nearest is None else f"; nearest: {shown(nearest)}"

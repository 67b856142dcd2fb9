"""How nodes get their CIDRs, out of the texts of `cilium-config`. Pure.

Lists are checked as a whole before anything runs: a range that cannot be used stops the operator
with a message about the key, instead of nodes being served out of half a configuration.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ciliate.config import values
from ciliate.config.keys import KEYS
from ciliate.config.pool_words import PoolWords, read_pools
from ciliate.errors import SettingError
from ciliate.ipam.node import DEFAULT_POOL
from ciliate.ipam.pools import Pools

#: The one pool of cluster-pool mode, the ConfigMap's lists; agents use the same name.
CLUSTER_POOL: Final = DEFAULT_POOL


@dataclass(frozen=True, slots=True)
class PoolRanges:
    """The ranges of one family and the prefix length of a node's block."""

    cidrs: tuple[str, ...]
    block_length: int


@dataclass(frozen=True, slots=True)
class OperatorIPAMSettings:
    """The IPAM mode, the families, and the ranges for nodes' CIDRs.

    `ranges` are those of cluster-pool mode, by IP version; `auto_create` the pools that multi-pool
    mode makes where they are missing.
    """

    mode: str
    versions: tuple[int, ...]
    ranges: Mapping[int, PoolRanges]
    auto_create: Mapping[str, Mapping[int, PoolWords]]

    @property
    def grants(self) -> bool:
        """Whether the operator gives CIDRs in this mode."""
        return self.mode in {"cluster-pool", "multi-pool"}


@dataclass(frozen=True, slots=True)
class NodeGCSettings:
    """How often CiliumNodes without a Node are looked for, in seconds; 0 turns it off.

    A Node must be missing for as long before its CiliumNode is deleted.
    """

    interval_s: float


def parse_ipam_settings(config: Mapping[str, str]) -> OperatorIPAMSettings:
    """Return the settings; the lists of cluster-pool are read in that mode only.

    Raises:
        SettingError: A value cannot be used; the texts are Cilium's where it has one.
    """
    mode = _text(config, "ipam")
    versions = tuple(
        version for version in (4, 6) if values.read_bool(_text(config, f"enable-ipv{version}"))
    )
    ranges = {}
    if mode == "cluster-pool":
        ranges = {version: read_ranges(config, version) for version in versions}
        for version in {4, 6} - set(versions):
            name = f"cluster-pool-ipv{version}-cidr"
            if config.get(name, "").strip():
                raise SettingError(
                    key=name,
                    value=config[name],
                    problem=f"{name} must not be set if IPv{version} is disabled",
                    remedy=f'take it out, or set enable-ipv{version} to "true"',
                )
    return OperatorIPAMSettings(
        mode=mode,
        versions=versions,
        ranges=ranges,
        auto_create=_pools(config) if mode == "multi-pool" else {},
    )


def parse_node_gc_settings(effective: Mapping[str, str]) -> NodeGCSettings:
    """Return the settings; every key is in `effective`, with its default where nothing is set.

    Raises:
        ValueTextError: A text cannot be read; keys that were checked raise none.
    """
    return NodeGCSettings(interval_s=values.read_duration_s(effective["nodes-gc-interval"]))


def read_ranges(config: Mapping[str, str], version: int) -> PoolRanges:
    """Return the ranges of one family of cluster-pool mode, checked.

    Raises:
        SettingError: There is none, or one cannot be used.
    """
    ranges = read_lists(config, version)
    _, refused = Pools().define(CLUSTER_POOL, version, ranges.block_length, ranges.cidrs)
    for refusal in refused:
        about = "cidr" if refusal.cidr else "mask-size"
        raise SettingError(
            key=f"cluster-pool-ipv{version}-{about}",
            value=" ".join(ranges.cidrs) if refusal.cidr else str(ranges.block_length),
            problem=f"unable to initialize IPv{version} allocator: {refusal.problem}",
            remedy=refusal.remedy,
        )
    return ranges


def read_lists(config: Mapping[str, str], version: int) -> PoolRanges:
    """Return the ranges of one family as they are written, whether or not they can be used.

    Raises:
        SettingError: There is none, or the mask size is no number.
    """
    name, mask = f"cluster-pool-ipv{version}-cidr", f"cluster-pool-ipv{version}-mask-size"
    # An absent key has the default; an empty one is an error below.
    text = config[name] if name in config else _text(config, name)
    cidrs = values.read_words(text)
    if not cidrs:
        raise SettingError(
            key=name,
            value=text,
            problem=f"{name} must be provided when using ClusterPool",
            remedy=f'give ranges separated by blanks, such as "{KEYS[name].default}"',
        )
    try:
        block_length = values.read_int(_text(config, mask))
    except values.ValueTextError as error:
        raise SettingError(
            key=mask, value=config[mask], problem=error.problem, remedy=error.remedy
        ) from error
    return PoolRanges(cidrs, block_length)


def _pools(config: Mapping[str, str]) -> Mapping[str, Mapping[int, PoolWords]]:
    """Return the pools to create.

    Raises:
        SettingError: The text cannot be read, or a range cannot be used.
    """
    name = "auto-create-cilium-pod-ip-pools"
    text = config.get(name, "")
    try:
        wanted = read_pools(text)
    except values.ValueTextError as error:
        raise SettingError(
            key=name, value=text, problem=error.problem, remedy=error.remedy
        ) from error
    pools = Pools()
    for pool, families in wanted.items():
        for version, words in families.items():
            _, refused = pools.define(pool, version, words.mask_size, words.cidrs)
            for refusal in refused:
                raise SettingError(
                    key=name, value=text, problem=str(refusal), remedy="correct the pool"
                )
    return wanted


def _text(config: Mapping[str, str], name: str) -> str:
    key = KEYS[name]
    text = config.get(name, "")
    key.check(text)
    return text or key.default or ""

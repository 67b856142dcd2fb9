"""The text of `auto-create-cilium-pod-ip-pools`, read into pools. Pure.

`default=ipv4-cidrs:10.10.0.0/16;ipv4-mask-size:24,mars=ipv6-cidrs:fd00::/104,fd01::/104;...`: the
comma stands both between CIDRs and between pools; what follows one is a pool when it reads
`name=`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ciliate.config.values import ValueTextError, read_cidr, read_int

_POOL: Final = re.compile(r"(?:^|,)\s*([a-z0-9](?:[-a-z0-9.]*[a-z0-9])?)\s*=")
_ATTRIBUTE: Final = re.compile(r"ipv([46])-(cidrs|mask-size)")
_EXAMPLE: Final = 'write such as "default=ipv4-cidrs:10.10.0.0/16;ipv4-mask-size:24"'
_BITS: Final = {4: 32, 6: 128}


@dataclass(frozen=True, slots=True)
class PoolWords:
    """CIDRs and mask size of one family of a pool."""

    cidrs: tuple[str, ...]
    mask_size: int


def read_pools(text: str) -> dict[str, Mapping[int, PoolWords]]:
    """Return the families of each pool, by IP version.

    Raises:
        ValueTextError: The text is not of that form.
    """
    if not text.strip():
        return {}
    starts = list(_POOL.finditer(text))
    if not starts or text[: starts[0].start()].strip():
        raise ValueTextError(problem="does not begin with the name of a pool", remedy=_EXAMPLE)
    pools: dict[str, Mapping[int, PoolWords]] = {}
    ends = [match.start() for match in starts[1:]] + [len(text)]
    for match, end in zip(starts, ends, strict=True):
        name = match.group(1)
        if name in pools:
            raise ValueTextError(problem=f"names the pool {name} twice", remedy="name it once")
        pools[name] = _families(name, text[match.end() : end])
    return pools


def _families(pool: str, text: str) -> dict[int, PoolWords]:
    cidrs: dict[int, tuple[str, ...]] = {}
    masks: dict[int, int] = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        name, colon, value = part.partition(":")
        attribute = _ATTRIBUTE.fullmatch(name.strip())
        if attribute is None or not colon:
            raise ValueTextError(
                problem=f"holds {part!r}, which is no attribute of pool {pool}", remedy=_EXAMPLE
            )
        version = int(attribute.group(1))
        if attribute.group(2) == "cidrs":
            words = [word.strip() for word in value.split(",") if word.strip()]
            cidrs[version] = tuple(str(read_cidr(word, version=version)) for word in words)
        else:
            masks[version] = read_int(value.strip())
    if not cidrs or not all(cidrs.values()):
        raise ValueTextError(problem=f"gives pool {pool} no CIDR", remedy=_EXAMPLE)
    for version in cidrs.keys() ^ masks.keys():
        raise ValueTextError(
            problem=f"gives pool {pool} CIDRs or a mask size of IPv{version} without the other",
            remedy=_EXAMPLE,
        )
    for version, mask in masks.items():
        if not 1 <= mask <= _BITS[version]:
            raise ValueTextError(
                problem=f"gives pool {pool} an IPv{version} mask size of {mask}",
                remedy=f"choose 1 to {_BITS[version]}",
            )
    return {version: PoolWords(cidrs[version], masks[version]) for version in sorted(cidrs)}

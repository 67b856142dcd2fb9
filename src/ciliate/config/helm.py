"""Helm values of Cilium's chart, and what each becomes in the ConfigMap `cilium-config`.

`helm upgrade --set ipam.mode=cluster-pool` writes `ipam: cluster-pool`; a lab takes the same words
(`ciliate lab upgrade --set …`). A name that is a key of the ConfigMap already is taken as one.
Pure: other modules write the ConfigMap.

The names are those of Cilium's chart, 1.17 to 1.19; those of supported keys stand beside them in
`config.supported`.
"""

import difflib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ciliate.config import values
from ciliate.config.chart_values import SECTIONS
from ciliate.config.key import Kind
from ciliate.config.keys import KEYS, review
from ciliate.errors import SettingError

#: Values of keys that are known, beside those that supported keys name themselves.
_VALUES: Final[Mapping[str, str]] = {
    "l2NeighDiscovery.enabled": "enable-l2-neigh-discovery",
    "installNoConntrackIptablesRules": "install-no-conntrack-iptables-rules",
    "bpf.hostLegacyRouting": "enable-host-legacy-routing",
    "nat.mapStatsEntries": "nat-map-stats-entries",
    "nat.mapStatsInterval": "nat-map-stats-interval",
    "endpointHealthChecking.enabled": "enable-endpoint-health-checking",
    "healthChecking": "enable-health-checking",
}

#: Lists that the chart joins with blanks.
_JOINED_BY_BLANKS: Final = frozenset(
    {Kind.WORDS, Kind.DEVICES, Kind.IP_CIDRS, Kind.IPV4_CIDRS, Kind.IPV6_CIDRS}
)

#: Goes into a ConfigMap of its own, as JSON.
_IP_MASQ_AGENT: Final = "ipMasqAgent.config."
_IP_MASQ_AGENT_FIELDS: Final[Mapping[str, Callable[[str], Any]]] = {
    "nonMasqueradeCIDRs": lambda text: _words(text),  # noqa: PLW0108 - defined below.
    "masqLinkLocal": lambda text: text == "true",
    "masqLinkLocalIPv6": lambda text: text == "true",
}

#: A map of pools, which the chart writes into one key (docs/CILIUM.md, "Settings").
_AUTO_CREATE: Final = "ipam.operator.autoCreateCiliumPodIPPools."
_AUTO_CREATE_KEY: Final = "auto-create-cilium-pod-ip-pools"
_AUTO_CREATE_FIELDS: Final[Mapping[str, str]] = {
    "ipv4.cidrs": "ipv4-cidrs",
    "ipv4.maskSize": "ipv4-mask-size",
    "ipv6.cidrs": "ipv6-cidrs",
    "ipv6.maskSize": "ipv6-mask-size",
}

#: Writes any key: `extraConfig.KEY=VALUE`.
_EXTRA_CONFIG: Final = "extraConfig."

#: Parts of an installation that are objects of their own and no key: its Helm value -> the part.
_PARTS: Final[Mapping[str, str]] = {
    "hubble.relay.enabled": "hubble-relay",
    "hubble.ui.enabled": "hubble-ui",
}

#: From which resemblance on (difflib's ratio) a wrong name is shown another, and from which on a name
#: of the chart's form counts as a slip of the finger, not as one of its many further values.
_RESEMBLES: Final = 0.6
_MISSPELT: Final = 0.86

_LIST: Final = re.compile(r"\{(.*)\}", re.DOTALL)
#: Between elements; one that belongs to an element has a backslash before it, as helm has it.
_COMMA: Final = re.compile(r"(?<!\\),")


@dataclass(frozen=True, slots=True)
class HelmChanges:
    """What a list of `--set` words changes."""

    #: Keys of cilium-config.
    config: Mapping[str, str] = field(default_factory=dict)
    #: Fields of the ConfigMap ip-masq-agent's `config`.
    ip_masq_agent: Mapping[str, Any] = field(default_factory=dict)
    #: Parts that are to be there, or not to be, by the name of their Deployment.
    parts: Mapping[str, bool] = field(default_factory=dict)
    #: Values of the chart that become nothing here, such as `operator.replicas`.
    without_effect: tuple[str, ...] = ()

    def warnings(self) -> list[str]:
        """One line for each value that is known and changes nothing."""
        lines = [
            f"{name} is a value of Cilium's chart that has no effect here"
            for name in self.without_effect
        ]
        return [*lines, *review(self.config).warnings()]


def helm_names() -> Mapping[str, str]:
    """Every Helm value that is understood -> its key of cilium-config."""
    return {key.helm: key.name for key in KEYS.values() if key.helm} | dict(_VALUES)


def read_changes(words: Iterable[str]) -> HelmChanges:
    """Read `NAME=VALUE` words, of Helm's or the ConfigMap's names; a later word wins.

    A word may hold several, separated by commas, as for helm: `a=1,b={x,y}`.

    Raises:
        SettingError: A word has no `=`, or a name is not known (the nearest is named).
    """
    config: dict[str, str] = {}
    ip_masq_agent: dict[str, Any] = {}
    pools: dict[str, dict[str, str]] = {}
    parts: dict[str, bool] = {}
    without_effect: list[str] = []
    names = helm_names()
    for assignment in (part for word in words for part in _split(word)):
        name, equals, value = assignment.partition("=")
        name = name.strip()
        if not equals:
            raise SettingError(
                key=assignment, value="", problem="has no value", remedy="write NAME=VALUE"
            )
        if name in _PARTS:
            parts[_PARTS[name]] = _switch(name, value)
            continue
        if name.startswith(_IP_MASQ_AGENT):
            key = name.removeprefix(_IP_MASQ_AGENT)
            if key not in _IP_MASQ_AGENT_FIELDS:
                raise _unknown(name, value, names)
            ip_masq_agent[key] = _IP_MASQ_AGENT_FIELDS[key](value)
            continue
        if name.startswith(_AUTO_CREATE):
            pool, attribute = _pool_attribute(name, value, names)
            pools.setdefault(pool, {})[attribute] = ",".join(_words(value))
            continue
        key = names.get(name, name).removeprefix(_EXTRA_CONFIG)
        if key in KEYS:
            config[key] = _text(value, KEYS[key].kind)
        elif name.partition(".")[0] in SECTIONS and not _is_misspelt(name, names):
            without_effect.append(name)
        else:
            raise _unknown(name, value, names)
    if pools:
        config[_AUTO_CREATE_KEY] = _pools_text(pools)
    return HelmChanges(config, ip_masq_agent, parts, tuple(without_effect))


def _switch(name: str, value: str) -> bool:
    try:
        return values.read_bool(value)
    except values.ValueTextError as error:
        raise SettingError(
            key=name, value=value, problem=error.problem, remedy=error.remedy
        ) from error


def words_of_values(document: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield a values file's content (`helm -f`) as the `NAME=VALUE` words that say the same."""
    for name, value in document.items():
        whole = f"{prefix}{name}"
        if isinstance(value, Mapping) and value:
            yield from words_of_values(value, f"{whole}.")
        elif isinstance(value, list):
            elements = (_plain(each).replace(",", "\\,") for each in value)
            yield f"{whole}={{{','.join(elements)}}}"
        elif value is not None and value != {}:
            yield f"{whole}={_plain(value)}"


def _plain(value: object) -> str:
    """A scalar as Helm writes it; what is deeper is no setting of ours, and JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def _pool_attribute(name: str, value: str, names: Mapping[str, str]) -> tuple[str, str]:
    """Return pool and attribute of `….<pool>.ipv4.cidrs` and its kin."""
    pool, _, field_name = name.removeprefix(_AUTO_CREATE).partition(".")
    if not pool or field_name not in _AUTO_CREATE_FIELDS:
        raise _unknown(name, value, names)
    return pool, _AUTO_CREATE_FIELDS[field_name]


def _pools_text(pools: Mapping[str, Mapping[str, str]]) -> str:
    return ",".join(
        f"{pool}=" + ";".join(f"{attribute}:{value}" for attribute, value in attributes.items())
        for pool, attributes in pools.items()
    )


def _split(word: str) -> list[str]:
    """The assignments of a word: commas count outside of braces, and only before a new name."""
    parts = [""]
    depth = 0
    for character in word:
        depth += {"{": 1, "}": -1}.get(character, 0)
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    joined: list[str] = []
    for part in parts:
        # `devices=eth0,eth1` was meant as one value, where helm would fail.
        if joined and "=" not in part:
            joined[-1] += f",{part}"
        else:
            joined.append(part)
    return joined


def _words(value: str) -> list[str]:
    """The elements of a list in Helm's form, `{a,b}`, or JSON's, or plain."""
    found = _LIST.fullmatch(value.strip())
    if found:
        value = found[1]
    elif value.startswith("["):
        return [str(element) for element in json.loads(value)]
    elements = (each.strip().strip('"') for each in _COMMA.split(value))
    return [each.replace("\\,", ",") for each in elements if each]


def _text(value: str, kind: Kind) -> str:
    if kind is Kind.FLOW_FILTERS:
        return _objects(value.strip())
    if kind in _JOINED_BY_BLANKS and (_LIST.fullmatch(value.strip()) or value.startswith("[")):
        return " ".join(_words(value))
    if kind is Kind.LISTEN and value.isdecimal():
        return f":{value}"  # The chart has a port where the key has an address.
    return value


def _objects(value: str) -> str:
    """Objects behind each other, out of a list of them in Helm's form, JSON's, or as they are."""
    if value.startswith("["):
        return " ".join(map(_plain, json.loads(value)))
    is_list = value == "{}" or value.startswith("{{")
    return (value[1:-1] if is_list else value).replace("\\,", ",")


def _unknown(name: str, value: str, names: Mapping[str, str]) -> SettingError:
    near = _nearest(name, names)
    remedy = f"did you mean {near!r}?" if near else "see docs/CONFIGURATION.md for the names"
    return SettingError(key=name, value=value, problem="is not a known setting", remedy=remedy)


def _is_misspelt(name: str, names: Mapping[str, str]) -> bool:
    """Whether a name of the chart's form is a slip of the finger, not one of its many further values.

    Such a slip has as many parts: hubble.tls.auto.enabled and hubble.listenAddress are values of their own,
    however near hubble.enabled and hubble-listen-address are.
    """
    alike = [each for each in _settings(names) if each.count(".") == name.count(".")]
    return bool(difflib.get_close_matches(name, alike, n=1, cutoff=_MISSPELT))


def _nearest(name: str, names: Mapping[str, str]) -> str:
    """Return the setting that `name` resembles, or ""."""
    return next(
        iter(difflib.get_close_matches(name, _settings(names), n=1, cutoff=_RESEMBLES)), ""
    )


def _settings(names: Mapping[str, str]) -> list[str]:
    return [
        *names,
        *KEYS,
        *_PARTS,
        *(_IP_MASQ_AGENT + field for field in _IP_MASQ_AGENT_FIELDS),
        *(f"{_AUTO_CREATE}default.{field}" for field in _AUTO_CREATE_FIELDS),
    ]

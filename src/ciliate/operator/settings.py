"""The operator's settings as typed groups, out of the texts of `cilium-config`. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from ciliate.config import values
from ciliate.config.key import Key, Scope
from ciliate.config.keys import KEYS
from ciliate.ipam.operator.settings import IPAMSettings, parse_ipam_settings
from ciliate.readiness.settings import ReadinessSettings, parse_readiness_settings


@dataclass(frozen=True, slots=True)
class CollectionSettings:
    """How often leftovers are looked for, in seconds; 0 turns that search off.

    `identity_timeout_s` is how long an identity must have been without a user before it is
    marked; the next search deletes it.
    """

    endpoints_every_s: float
    nodes_every_s: float
    identities_every_s: float
    identity_timeout_s: float


@dataclass(frozen=True, slots=True)
class OperatorSettings:
    """Everything the operator is told, parsed once."""

    collection: CollectionSettings
    readiness: ReadinessSettings
    ipam: IPAMSettings
    debug: bool
    effective: Mapping[str, str]  # The operator's keys with the texts in force, for people.
    metrics_address: str = ""  # HOST:PORT of plain HTTP; empty: the operator's socket alone.


def operator_keys() -> tuple[Key, ...]:
    """Return the keys the operator acts on; each is a flag as well."""
    mine = {Scope.OPERATOR, Scope.BOTH}
    return tuple(key for key in KEYS.values() if key.supported and key.scope in mine)


def parse_operator_settings(config: Mapping[str, str]) -> OperatorSettings:
    """Return the settings out of the ConfigMap's data, into which flags are already merged.

    Keys of the agent are not looked at: a mistake there must not stop the operator.

    Raises:
        SettingError: A value cannot be read, or is not supported.
    """
    ipam = parse_ipam_settings(config)  # First: its messages about lists say more.
    effective = {}
    for key in operator_keys():
        text = config.get(key.name, "")
        key.check(text)
        effective[key.name] = text or key.default or ""

    def seconds(name: str) -> float:
        return values.read_duration_s(effective[name])

    return OperatorSettings(
        collection=CollectionSettings(
            endpoints_every_s=seconds("cilium-endpoint-gc-interval"),
            nodes_every_s=seconds("nodes-gc-interval"),
            identities_every_s=seconds("identity-gc-interval"),
            identity_timeout_s=seconds("identity-heartbeat-timeout"),
        ),
        readiness=parse_readiness_settings(effective),
        ipam=ipam,
        debug=values.read_bool(config.get("debug", "")),
        effective=effective,
        metrics_address=effective["operator-prometheus-serve-addr"],
    )

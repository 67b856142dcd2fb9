"""The settings of events out of the datapath, out of the texts of `cilium-config`. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from ciliate.config import values
from ciliate.config.hubble_export_settings import (
    HubbleExportSettings,
    read_hubble_export_settings,
)
from ciliate.config.hubble_metrics_settings import (
    HubbleMetricsSettings,
    read_hubble_metrics_settings,
)
from ciliate.config.hubble_server_settings import (
    HubbleListenSettings,
    read_hubble_listen_settings,
)
from ciliate.config.texts import Texts
from ciliate.errors import SettingError

#: Of a TCP header (RFC 9293, section 3.1), by the names that people write.
TCP_FLAGS: Final[Mapping[str, int]] = {
    "fin": 0x01,
    "syn": 0x02,
    "rst": 0x04,
    "psh": 0x08,
    "ack": 0x10,
    "urg": 0x20,
    "ece": 0x40,
    "cwr": 0x80,
}

#: How much is left out, by Cilium's words: what its levels 2 and 4 leave out is what 1 and 3 do.
AGGREGATION_LEVELS: Final[Mapping[str, int]] = {
    "none": 0,
    "lowest": 1,
    "low": 1,
    "medium": 3,
    "maximum": 3,
}

_INTERVAL_S_MAX: Final = 24 * 3600.0


_CAPACITY_BITS_MAX: Final = 16

#: Of a second or at once: one each nanosecond, which no machine can tell.
_EVENTS_MAX: Final = 10**9


@dataclass(frozen=True, slots=True)
class HubbleSettings:
    """Whether flows are kept, how many, and where clients ask for them."""

    enabled: bool
    socket_path: str
    capacity: int
    listen: HubbleListenSettings
    metrics: HubbleMetricsSettings = field(default_factory=HubbleMetricsSettings)
    export: HubbleExportSettings = field(default_factory=HubbleExportSettings)


@dataclass(frozen=True, slots=True)
class EventLimit:
    """How many events there may be, by all programs of a node."""

    rate: int  # A second, on average.
    burst: int  # At once.


@dataclass(frozen=True, slots=True)
class FlowSettings:
    """What is told of packets, where anybody listens."""

    drops: bool
    traces: bool
    aggregation: str  # A word of AGGREGATION_LEVELS.
    interval_s: float  # A connection that goes on is told of so often.
    tcp_flags: int  # The bits that are told of when a direction shows one first.
    hubble: HubbleSettings
    limit: EventLimit | None = None

    @property
    def level(self) -> int:
        """How much is left out, as the programs know it."""
        return AGGREGATION_LEVELS[self.aggregation]


def read_flow_settings(texts: Texts) -> FlowSettings:
    """Return the settings of events.

    Raises:
        SettingError: A value cannot be acted on.
    """
    interval_s = values.read_duration_s(texts.text("monitor-aggregation-interval"))
    if not 0 < interval_s <= _INTERVAL_S_MAX:
        raise SettingError(
            key="monitor-aggregation-interval",
            value=texts.text("monitor-aggregation-interval"),
            problem="is out of range",
            remedy="choose more than nothing and at most a day, such as 5s",
        )
    return FlowSettings(
        drops=texts.flag("bpf-events-drop-enabled"),
        traces=texts.flag("bpf-events-trace-enabled"),
        aggregation=texts.text("monitor-aggregation"),
        interval_s=interval_s,
        tcp_flags=_tcp_flags(texts.text("monitor-aggregation-flags")),
        hubble=HubbleSettings(
            enabled=texts.flag("enable-hubble"),
            socket_path=texts.text("hubble-socket-path"),
            capacity=_capacity(texts),
            listen=read_hubble_listen_settings(texts),
            export=read_hubble_export_settings(texts),
            metrics=read_hubble_metrics_settings(texts),
        ),
        limit=_limit(texts),
    )


def _limit(texts: Texts) -> EventLimit | None:
    keys = ("bpf-events-default-rate-limit", "bpf-events-default-burst-limit")
    limits = [texts.number(key) for key in keys]
    for key, limit, other in zip(keys, limits, reversed(limits), strict=True):
        if not 0 <= limit <= _EVENTS_MAX:
            raise SettingError(
                key=key,
                value=texts.text(key),
                problem="is out of range",
                remedy=f"choose 0 for no limit, or at most {_EVENTS_MAX}",
            )
        if not limit and other:
            remedy = "choose both, or 0 for both"
            raise SettingError(key=key, value="0", problem="goes with no limit", remedy=remedy)
    rate, burst = limits
    return EventLimit(rate, burst) if rate else None


def _capacity(texts: Texts) -> int:
    key = "hubble-event-buffer-capacity"
    capacity = texts.number(key)
    known = [(1 << bits) - 1 for bits in range(1, _CAPACITY_BITS_MAX + 1)]
    if capacity not in known:
        above = next((each for each in known if each > capacity), known[-1])
        raise SettingError(
            key=key,
            value=texts.text(key),
            problem="is not one less than a power of two, from 1 to 65535",
            remedy=f"choose {above}",
        )
    return capacity


def _tcp_flags(text: str) -> int:
    names = [name.lower() for name in values.read_words(text)]
    if names == ["all"]:
        return sum(TCP_FLAGS.values())
    for name in names:
        if name not in TCP_FLAGS:
            raise SettingError(
                key="monitor-aggregation-flags",
                value=text,
                problem=f"names no TCP flag with {name!r}",
                remedy=f"name some of {', '.join(TCP_FLAGS)}, or all",
            )
    return sum(TCP_FLAGS[name] for name in set(names))

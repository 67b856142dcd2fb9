"""The keys of events out of the datapath that we act on."""

from typing import Final

from ciliate.config.key import Key, Kind, Scope

FLOWS: Final = (
    Key(
        name="enable-hubble",
        kind=Kind.BOOL,
        default="false",
        helm="hubble.enabled",
        scope=Scope.BOTH,
        meaning="Keep the newest flows, and answer clients of Hubble.",
    ),
    Key(
        name="hubble-socket-path",
        kind=Kind.STRING,
        default="/var/run/cilium/hubble.sock",
        helm="hubble.socketPath",
        meaning="Where clients of the node itself ask for flows.",
    ),
    Key(
        name="hubble-event-buffer-capacity",
        kind=Kind.INT,
        default="4095",
        helm="hubble.eventBufferCapacity",
        meaning="How many flows a node keeps: one less than a power of two, at most 65535.",
    ),
    Key(
        name="bpf-events-drop-enabled",
        kind=Kind.BOOL,
        default="true",
        helm="bpf.events.drop.enabled",
        meaning="Tell of dropped packets, where anybody listens.",
    ),
    Key(
        name="bpf-events-trace-enabled",
        kind=Kind.BOOL,
        default="true",
        helm="bpf.events.trace.enabled",
        meaning="Tell of forwarded packets, where anybody listens.",
    ),
    Key(
        name="bpf-events-default-rate-limit",
        kind=Kind.INT,
        default="0",
        helm="bpf.events.default.rateLimit",
        meaning="How many events a second are told on average, by all programs of a node; those"
        " beyond are counted as lost. 0: no limit.",
    ),
    Key(
        name="bpf-events-default-burst-limit",
        kind=Kind.INT,
        default="0",
        helm="bpf.events.default.burstLimit",
        meaning="How many of them may come at once.",
    ),
    Key(
        name="monitor-aggregation",
        kind=Kind.CHOICE,
        default="medium",
        helm="bpf.monitorAggregation",
        choices=("none", "lowest", "low", "medium", "maximum"),
        meaning="What is left out of events: nothing; where packets come from (lowest, low); and"
        " those that are no news of their connection (medium, maximum).",
    ),
    Key(
        name="monitor-aggregation-interval",
        kind=Kind.DURATION,
        default="5s",
        helm="bpf.monitorInterval",
        meaning="How often a connection that goes on is told of (medium, maximum).",
    ),
    Key(
        name="monitor-aggregation-flags",
        kind=Kind.WORDS,
        default="all",
        helm="bpf.monitorFlags",
        meaning="TCP flags that are told of when a connection's direction shows them first, or"
        " `all` (medium, maximum).",
    ),
)

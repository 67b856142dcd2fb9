"""The keys of metrics out of flows."""

from typing import Final

from ciliate.config.key import Key, Kind

HUBBLE_METRICS: Final = (
    Key(
        name="hubble-metrics",
        kind=Kind.WORDS,
        default="",
        helm="hubble.metrics.enabled",
        meaning="Metrics made of flows, separated by blanks, with options:"
        " `drop:sourceContext=pod|ip;labelsContext=source_namespace,traffic_direction`"
        " ([FLOWS.md](FLOWS.md)); empty: none.",
    ),
    Key(
        name="hubble-metrics-server",
        kind=Kind.LISTEN,
        default=":9965",
        helm="hubble.metrics.port",
        meaning="Where a node serves them over HTTP, as /metrics; without a host on each of its"
        " addresses.",
    ),
    Key(
        name="enable-hubble-open-metrics",
        kind=Kind.BOOL,
        default="false",
        helm="hubble.metrics.enableOpenMetrics",
        meaning="Give them in OpenMetrics' form to scrapers that take it.",
    ),
    Key(
        name="hubble-metrics-server-enable-tls",
        kind=Kind.BOOL,
        default="false",
        helm="hubble.metrics.tls.enabled",
        meaning="Serve them with TLS: not supported yet, true is refused.",
    ),
)

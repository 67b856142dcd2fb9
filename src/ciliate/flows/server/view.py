"""What filters ask of a flow. Pure.

A flow is a record of the datapath with names found for its addresses, or a message of the API. A view
answers for either when asked, so that a flow nobody wants costs no message, and one that its number
rules out costs no name. Enumerations are the API's numbers; an empty text is a name there is not.
"""

from collections.abc import Sequence
from typing import Protocol


class EndView(Protocol):
    """One end of a flow: its source or its destination."""

    @property
    def ip(self) -> str:
        """The address as the API writes it."""

    @property
    def ip_octets(self) -> bytes:
        """The address as 16 octets, IPv4 mapped (net/address.py); empty: none."""

    @property
    def port(self) -> int:
        """The port of TCP, UDP or SCTP; 0 also for other protocols."""

    @property
    def identity(self) -> int:
        """The number of the identity; 0: unknown."""

    @property
    def namespace(self) -> str:
        """The namespace of the pod."""

    @property
    def pod(self) -> str:
        """The name of the pod."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The identity's labels, "k8s:app=web"; best the same tuple for each flow it has."""

    @property
    def workloads(self) -> Sequence[tuple[str, str]]:
        """(kind, name) of what the pod belongs to."""

    @property
    def names(self) -> Sequence[str]:
        """The names in DNS, without the last dot."""

    @property
    def service(self) -> tuple[str, str] | None:
        """(namespace, name) of the Service that has this address and port as frontend."""

    @property
    def cluster(self) -> str:
        """The name of the cluster."""


class HttpView(Protocol):
    """The HTTP request or response of a flow."""

    @property
    def code(self) -> int:
        """The status; 0: a request."""

    @property
    def method(self) -> str:
        """The method, such as "GET"."""

    @property
    def url(self) -> str:
        """The whole URL."""

    @property
    def headers(self) -> Sequence[tuple[str, str]]:
        """(key, value) of each header."""


class FlowView(Protocol):
    """A flow. What is no flow (events of the agent, lost events) passes filters unasked."""

    @property
    def source(self) -> EndView:
        """Who sent the packet."""

    @property
    def destination(self) -> EndView:
        """Whom it is for."""

    @property
    def event_type(self) -> tuple[int, int] | None:
        """(type, sub-type) of the event; None: unknown."""

    @property
    def verdict(self) -> int:
        """`Verdict`."""

    @property
    def drop_reason(self) -> int:
        """`DropReason`; 0: not dropped."""

    @property
    def is_reply(self) -> bool | None:
        """Whether it goes back to who opened the connection; None: unknown."""

    @property
    def traffic_direction(self) -> int:
        """`TrafficDirection`."""

    @property
    def ip_version(self) -> int:
        """4, 6, or 0: neither."""

    @property
    def protocol(self) -> str:
        """Its word: tcp, udp, sctp, icmpv4, icmpv6, vrrp or igmp; empty: another."""

    @property
    def tcp_flags(self) -> int | None:
        """The flags as TCP has them: FIN is 1, CWR 128, NS 256; None: no packet of TCP."""

    @property
    def encrypted(self) -> bool:
        """Whether the packet was encrypted."""

    @property
    def source_xlated(self) -> str:
        """The address that the source was translated to, as `ip`."""

    @property
    def source_xlated_octets(self) -> bytes:
        """The same as `ip_octets`."""

    @property
    def interface(self) -> tuple[int, str] | None:
        """(index, name) of the device; None: unknown."""

    @property
    def node_name(self) -> str:
        """Where it was seen: "cluster/node", or "node" in the cluster "default"."""

    @property
    def node_labels(self) -> tuple[str, ...]:
        """The labels of that node, "key=value", as `EndView.labels`."""

    @property
    def uuid(self) -> str:
        """The name of this flow alone."""

    @property
    def trace_id(self) -> str:
        """The trace that an HTTP request names."""

    @property
    def ip_trace_id(self) -> int | None:
        """The trace that an IP option names."""

    @property
    def l7_protocol(self) -> str:
        """Its word: dns, http or kafka; empty: nothing was read above the fourth layer."""

    @property
    def dns_query(self) -> str | None:
        """The name that was asked for, with its last dot; None: not DNS."""

    @property
    def http(self) -> HttpView | None:
        """None: not HTTP."""

"""How a pod looks names up: its resolv.conf, by its dnsPolicy, its dnsConfig and its node's file. Pure.

Rules, bounds and words are kubelet's. What a node's file says counts as it is when the pod's sandbox
is made.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from ciliate.lab.objects import Pod

#: What resolvers of programs read at most (resolv.conf(5)), and what an API server lets through.
SERVERS_MAX: Final = 3
SEARCHES_MAX: Final = 32
SEARCH_CHARACTERS_MAX: Final = 2048

#: A name with fewer dots is looked for in the search domains first.
_CLUSTER_OPTIONS: Final = {"ndots": "5"}


@dataclass(frozen=True, slots=True)
class ResolverSettings:
    """The contents of a resolv.conf; an option without a value has None."""

    servers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: Mapping[str, str | None] = field(default_factory=dict)

    def rendered(self) -> str:
        """Return the file."""
        words = [k if value is None else f"{k}:{value}" for k, value in self.options.items()]
        return "".join(
            [
                f"search {' '.join(self.searches)}\n" if self.searches else "",
                *(f"nameserver {server}\n" for server in self.servers),
                f"options {' '.join(words)}\n" if words else "",
            ]
        )


def read_resolv_conf(text: str) -> ResolverSettings:
    """Return what a resolv.conf says; of several lines of searches or options the last counts."""
    servers: list[str] = []
    searches: tuple[str, ...] = ()
    options: dict[str, str | None] = {}
    for line in text.splitlines():
        match line.split():
            case ("nameserver", server, *_):
                servers.append(server)
            case ("search", *domains):
                searches = tuple(each if each == "." else each.rstrip(".") for each in domains)
            case ("options", *words):
                options = _options(words)
    return ResolverSettings(tuple(servers), searches, options)


def _options(words: Iterable[str]) -> dict[str, str | None]:
    split = (word.partition(":") for word in words)
    return {name: value if colon else None for name, colon, value in split}


def resolver_settings(
    pod: Pod, node: ResolverSettings, *, domain: str, cluster_servers: tuple[str, ...]
) -> ResolverSettings:
    """Return what the pod asks for, without regard to bounds."""
    found = _of_policy(pod, node, domain=domain, cluster_servers=cluster_servers)
    own = pod.spec.dns_config
    return ResolverSettings(
        servers=_merged(found.servers, own.get("nameservers") or ()),
        searches=_merged(found.searches, own.get("searches") or ()),
        options={
            **found.options,
            **{str(each["name"]): each.get("value") for each in own.get("options") or ()},
        },
    )


def _of_policy(
    pod: Pod, node: ResolverSettings, *, domain: str, cluster_servers: tuple[str, ...]
) -> ResolverSettings:
    policy = pod.spec.dns_policy
    if policy == "None":
        return ResolverSettings()
    # The cluster's server may be out of a node's reach before there is a pod network.
    if policy == "Default" or (policy == "ClusterFirst" and pod.spec.host_network):
        return node
    services = f"svc.{domain}"
    searches = (f"{pod.metadata.namespace}.{services}", services, domain)
    return ResolverSettings(cluster_servers, _merged(searches, node.searches), _CLUSTER_OPTIONS)


def _merged(first: Iterable[str], further: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*first, *further)))


def fitted(wanted: ResolverSettings) -> tuple[ResolverSettings, list[str]]:
    """Return the settings within bounds, and what an event is to say of those left out."""
    problems: list[str] = []
    servers = wanted.servers[:SERVERS_MAX]
    if servers != wanted.servers:
        problems.append(
            "Nameserver limits were exceeded, some nameservers have been omitted, the applied "
            f"nameserver line is: {' '.join(servers)}"
        )
    searches = list(wanted.searches[:SEARCHES_MAX])
    while len(" ".join(searches)) > SEARCH_CHARACTERS_MAX:
        searches.pop()
    if tuple(searches) != wanted.searches:
        problems.append(
            "Search Line limits were exceeded, some search paths have been omitted, the applied "
            f"search line is: {' '.join(searches)}"
        )
    return ResolverSettings(servers, tuple(searches), wanted.options), problems

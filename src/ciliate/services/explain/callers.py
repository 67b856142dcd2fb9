"""Who asks for a Service: a pod or the node itself, or somebody outside the cluster."""

import os
import sys
from typing import NamedTuple

from ciliate.errors import CiliateError
from ciliate.net.address import IPAddress, ip_address, to_octets
from ciliate.netlink.namespace import (
    inside,
    namespace_cookie,
    open_namespace,
    open_own_namespace,
)
from ciliate.node.context import Context
from ciliate.node.endpoint import Endpoint


class CallerElsewhereError(CiliateError):
    """Who asks is not on this node, so its agent does not know."""

    def __init__(self, client: str, node: str) -> None:
        self.client = client
        super().__init__(
            f"{client} is not on {node}: ask the agent of its node, or use `ciliate explain"
            " service`, which finds it"
        )


class Caller(NamedTuple):
    """Who asks; `netns` is where a pod's network namespace is, None: the node's."""

    text: str
    is_inside: bool
    addresses: tuple[bytes, ...] = ()
    netns: str | None = None

    def keys(self) -> tuple[bytes, ...]:
        """Return what the maps know a client with sessionAffinity by; blocking.

        Raises:
            NetlinkError: The pod's namespace cannot be entered.
        """
        if not self.is_inside or not self.addresses:
            return self.addresses
        return (_cookie_key(self.netns), *self.addresses)


def caller_of(context: Context, client: str) -> Caller:
    """Return who `client` is: NAMESPACE/POD, this node's name or an address; empty: any process.

    Raises:
        CallerElsewhereError: It is of the cluster, but not of this node.
    """
    own = context.own
    if not client:
        return Caller("any process", is_inside=True)
    if client == own.name:
        return _node(context)
    try:
        address = ip_address(client)
    except ValueError:
        namespace, _, name = client.rpartition("/")
        endpoint = context.endpoints.of_pod((namespace or "default", name))
        if endpoint is None:
            raise CallerElsewhereError(f"pod {client}", own.name) from None
        return _pod(endpoint)
    return _at(context, address)


def _at(context: Context, address: IPAddress) -> Caller:
    octets = to_octets(address)
    endpoint = context.endpoints.at(octets)
    if endpoint is not None:
        return _pod(endpoint)
    if octets in context.devices.current.octets:
        return _node(context)
    cluster = context.cluster
    if cluster.known_pods.at(octets) is not None or cluster.known_nodes.at(octets) is not None:
        raise CallerElsewhereError(str(address), context.own.name)
    return Caller(str(address), is_inside=False, addresses=(octets,))


def _node(context: Context) -> Caller:
    addresses = tuple(sorted(context.devices.current.octets))
    return Caller(f"node {context.own.name}", is_inside=True, addresses=addresses)


def _pod(endpoint: Endpoint) -> Caller:
    addresses = (endpoint.address(version) for version in (4, 6))
    return Caller(
        f"pod {'/'.join(endpoint.pod_key)}",
        is_inside=True,
        addresses=tuple(to_octets(each) for each in addresses if each is not None),
        netns=endpoint.interface.netns,
    )


def _cookie_key(netns: str | None) -> bytes:
    """Return a namespace as `affinity_key` has it: the cookie's halves as words, then zero."""
    cookie = _cookie(netns)
    halves = cookie >> 32, cookie & 0xFFFF_FFFF
    return b"".join(half.to_bytes(4, sys.byteorder) for half in halves) + bytes(8)


def _cookie(netns: str | None) -> int:
    if netns is None:
        return namespace_cookie()
    home = open_own_namespace()
    try:
        there = open_namespace(netns)
        try:
            with inside(there, home=home, subject=netns):
                return namespace_cookie()
        finally:
            os.close(there)
    finally:
        os.close(home)

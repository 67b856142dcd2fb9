"""The settings under /proc/sys of a pod's interface, on both ends: what netlink does not take. Pure."""

from ciliate.net.pod_interface import PodInterface


def host_settings(interface: PodInterface) -> dict[str, str]:
    """Return the IPv6 settings of the host side, which netlink does not take.

    Without IPv6 the family is off there. With it the interface forwards, which bpf_fib_lookup
    asks for. As a router's interface it would make a neighbour entry for a pod that solicits
    routers: from_pod drops all of neighbour discovery (RFC 4861), so none comes this far.
    """
    conf = f"net/ipv6/conf/{interface.host_name}/"
    if not interface.has_ipv6:
        return {conf + "disable_ipv6": "1"}
    return {conf + "accept_ra": "0", conf + "accept_redirects": "0", conf + "forwarding": "1"}


def pod_settings(interface: PodInterface, *, ipv6_known: bool) -> dict[str, str]:
    """Return the settings inside the pod: no packet that it receives changes its routes."""
    settings = {
        "net/ipv4/conf/all/accept_redirects": "0",
        f"net/ipv4/conf/{interface.pod_name}/accept_redirects": "0",
    }
    if not ipv6_known:
        return settings
    conf = f"net/ipv6/conf/{interface.pod_name}/"
    if not interface.has_ipv6:
        return settings | {conf + "disable_ipv6": "1"}
    return settings | {
        conf + "accept_ra": "0",
        conf + "autoconf": "0",
        conf + "accept_redirects": "0",
    }

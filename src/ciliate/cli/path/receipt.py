"""What becomes of a packet that arrives at this node for a pod of it, and out of which tunnel."""

from ciliate.cli.path import words
from ciliate.cli.path.departure import handover_words
from ciliate.cli.path.model import Receipt, Step
from ciliate.cli.path.tables import NodeTables, Tunnel
from ciliate.datapath.layout import EndpointFlag
from ciliate.net.address import IPAddress, address_text
from ciliate.netlink.router import HOST_NAME


def receive(tables: NodeTables, sender: IPAddress, receiver: IPAddress | None) -> Receipt:
    """Return what this node does with packets from `sender` to `receiver`; None: to any pod."""
    tunnel = tables.tunnel
    steps, problem = _steps(tables, receiver) if receiver is not None else ((), "")
    ours = {HOST_NAME, tunnel.link.name if tunnel is not None else ""}
    return Receipt(
        sender=str(sender),
        receiver=str(receiver or ""),
        devices=tuple(sorted(tables.programmed - ours)),
        tunnel=tunnel.name if tunnel is not None else "",
        tunnel_device=tunnel.link.name if tunnel is not None else "",
        tunnel_ends=_ends(tunnel),
        steps=steps,
        problem=problem,
    )


def _steps(tables: NodeTables, receiver: IPAddress) -> tuple[tuple[Step, ...], str]:
    endpoint = tables.endpoint(receiver)
    if endpoint is None:
        step = Step(at="endpoints", says=f"{receiver} is nobody's here")
        return (step,), f"no pod of this node has {receiver}"
    if endpoint.flags & EndpointFlag.ENDPOINT_HOST:
        return (Step(at="endpoints", says=f"{receiver} is this node's own address"),), ""
    found = Step(at="endpoints", says=words.endpoint_words(receiver, endpoint))
    link = tables.links.get(endpoint.ifindex)
    if link is None:
        return (found,), f"the interface of {receiver} (link {endpoint.ifindex}) is gone"
    last = Step(at=link.name, says=f"{handover_words(endpoint)}, MTU {link.mtu}")
    return (found, last), "" if link.is_up else f"{link.name} is down"


def _ends(tunnel: Tunnel | None) -> tuple[str, ...]:
    if tunnel is None:
        return ()
    ends = (tunnel.device.ipv4, tunnel.device.ipv6)
    return tuple(address_text(each) for each in ends if any(each))

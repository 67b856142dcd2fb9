"""Events of agents, debug messages, and what a relay says of its nodes, as text. Pure."""

from collections.abc import Sequence
from typing import Final

from ciliate.cli.hubble.flow_type import enum_name
from ciliate.cli.hubble.record_text import Record
from ciliate.cli.hubble.style import Style
from ciliate.flows.harmless import harmless
from ciliate.flows.pb.flow import flow_pb2
from ciliate.flows.pb.observer import observer_pb2
from ciliate.flows.pb.relay import relay_pb2

#: How long a list of nodes gets in a line.
_LIST_CHARACTERS: Final = 50


def agent_event_line(response: observer_pb2.GetAgentEventsResponse, style: Style) -> str:
    """Return an event of an agent as one line."""
    record = agent_event_record(response, style)
    node = f" [{record['NODE']}]" if style.node else ""
    details = f" ({record['DETAILS']})" if record["DETAILS"] else ""
    return f"{record['TIMESTAMP']}{node}: {record['TYPE']}{details}"


def agent_event_record(response: observer_pb2.GetAgentEventsResponse, style: Style) -> Record:
    """Return an agent's event as fields."""
    event = response.agent_event
    node = {"NODE": harmless(response.node_name)} if style.node else {}
    return {
        "TIMESTAMP": style.moment(response.time if response.HasField("time") else None),
        **node,
        "TYPE": enum_name(flow_pb2.AgentEventType, event.type),
        "DETAILS": harmless(_details(event, style)),
    }


def _details(event: flow_pb2.AgentEvent, style: Style) -> str:
    match event.WhichOneof("notification"):
        case "agent_start":
            return f"start time: {style.moment(event.agent_start.time)}"
        case "policy_update":
            update = event.policy_update
            return (
                f"labels: [{','.join(update.labels)}], revision: {update.revision},"
                f" count: {update.rule_count}"
            )
        case "endpoint_regenerate":
            built = event.endpoint_regenerate
            error = f", error: {built.error}" if built.error else ""
            return f"id: {built.id}, labels: [{','.join(built.labels)}]{error}"
        case "endpoint_update":
            changed = event.endpoint_update
            pod = [("namespace", changed.namespace), ("pod name", changed.pod_name)]
            return ", ".join(
                [f"id: {changed.id}", *(f"{name}: {text}" for name, text in pod if text)]
            )
        case "ipcache_update":
            return _address_details(event.ipcache_update)
        case "service_upsert":
            return _service_details(event.service_upsert)
        case "service_delete":
            return f"id: {event.service_delete.id}"
        case "unknown":
            return f"type: {event.unknown.type}, notification: {event.unknown.notification}"
        case _:
            return ""


def _address_details(update: flow_pb2.IPCacheNotification) -> str:
    parts = [f"cidr: {update.cidr}", f"identity: {update.identity}"]
    if update.HasField("old_identity"):
        parts.append(f"old identity: {update.old_identity.value}")
    if update.host_ip:
        parts.append(f"host ip: {update.host_ip}")
    if update.old_host_ip:
        parts.append(f"old host ip: {update.old_host_ip}")
    return ", ".join([*parts, f"encrypt key: {update.encrypt_key}"])


def _service_details(service: flow_pb2.ServiceUpsertNotification) -> str:
    backends = ",".join(_address(each) for each in service.backend_addresses)
    parts = [
        f"id: {service.id}",
        f"frontend: {_address(service.frontend_address)}",
        f"backends: [{backends}]",
        f"type: {service.type}",
    ]
    if service.namespace:
        parts.append(f"namespace: {service.namespace}")
    if service.name:
        parts.append(f"name: {service.name}")
    return ", ".join(parts)


def _address(address: flow_pb2.ServiceUpsertNotificationAddr) -> str:
    host = f"[{address.ip}]" if ":" in address.ip else address.ip
    return f"{host}:{address.port}"


def debug_event_line(response: observer_pb2.GetDebugEventsResponse, style: Style) -> str:
    """Return a debug message as one line."""
    record = debug_event_record(response, style)
    node = f" [{record['NODE']}]" if style.node else ""
    return (
        f"{record['TIMESTAMP']}{node}: {style.paint(record['FROM'], 'cyan')} {record['TYPE']}"
        f" MARK: {record['MARK']} CPU: {record['CPU']} ({record['MESSAGE']})"
    )


def debug_event_record(response: observer_pb2.GetDebugEventsResponse, style: Style) -> Record:
    """Return a debug message as fields."""
    event = response.debug_event
    node = {"NODE": harmless(response.node_name)} if style.node else {}
    return {
        "TIMESTAMP": style.moment(response.time if response.HasField("time") else None),
        **node,
        "FROM": harmless(_origin(event)),
        "TYPE": enum_name(flow_pb2.DebugEventType, event.type),
        "MARK": f"{event.hash.value:#x}" if event.HasField("hash") else "N/A",
        "CPU": f"{event.cpu.value:02}" if event.HasField("cpu") else "N/A",
        "MESSAGE": harmless(event.message),
    }


def _origin(event: flow_pb2.DebugEvent) -> str:
    if not event.HasField("source"):
        return "N/A"
    source = event.source
    number = f"(ID: {source.ID})"
    if not source.pod_name:
        return number
    pod = f"{source.namespace}/{source.pod_name}" if source.namespace else source.pod_name
    return f"{pod} {number}"


def is_ordinary(event: relay_pb2.NodeStatusEvent) -> bool:
    """Whether a node's change of state is of no interest to who looks at flows."""
    return event.state_change in (
        relay_pb2.UNKNOWN_NODE_STATE,
        relay_pb2.NODE_CONNECTED,
        relay_pb2.NODE_GONE,
    )


def node_status_line(response: observer_pb2.GetFlowsResponse, style: Style) -> str:
    """Return what a relay says of nodes as one line."""
    event = response.node_status
    count, names = len(event.node_names), _cut(event.node_names)
    match event.state_change:
        case relay_pb2.NODE_CONNECTED:
            text = f"Receiving flows from {count} nodes: {names}"
        case relay_pb2.NODE_UNAVAILABLE:
            text = f"{count} nodes are unavailable: {names}"
        case relay_pb2.NODE_GONE:
            text = f"{count} nodes removed from cluster: {names}"
        case relay_pb2.NODE_ERROR:
            text = f'Error "{event.message}" on {count} nodes: {names}'
        case _:
            state = enum_name(relay_pb2.NodeState, event.state_change)
            text = f"{state} of {count} nodes: {names}"
    time = style.moment(response.time if response.HasField("time") else None)
    return f"{time} [{harmless(response.node_name)}]: {harmless(text)}"


def node_status_record(response: observer_pb2.GetFlowsResponse, style: Style) -> Record:
    """Return what a relay says of nodes as fields."""
    event = response.node_status
    message = {"MESSAGE": harmless(event.message)} if event.message else {}
    return {
        "TIMESTAMP": style.moment(response.time if response.HasField("time") else None),
        "STATE": enum_name(relay_pb2.NodeState, event.state_change),
        "NODES": harmless(_cut(event.node_names)),
        **message,
    }


def _cut(names: Sequence[str]) -> str:
    """Return the names up to a length, with how many more there are."""
    length = 0
    for shown, name in enumerate(names):
        if shown and length + len(name) > _LIST_CHARACTERS:
            return f"{', '.join(names[:shown])} (and {len(names) - shown} more)"
        length += len(name) + len(", ")
    return ", ".join(names)

"""A small cluster for tests of names: Services of every kind, and how to ask for one."""

from typing import Any, Final

import msgspec
from dns.message import Message, from_wire
from dns.name import from_text
from dns.rdatatype import RdataType

from ciliate.api.core import Namespace
from ciliate.api.metadata import ObjectMeta
from ciliate.lab.dns.answer import Answer, Zone
from ciliate.lab.dns.cluster_zone import ClusterZone
from ciliate.lab.dns.counts import Counts, Way
from ciliate.lab.dns.objects import EndpointSlice, Service
from ciliate.lab.dns.records import ClusterRecords
from ciliate.lab.dns.responder import Responder

UDP: Final = Way("udp", "1")
TCP: Final = Way("tcp", "1")

Json = dict[str, Any]


def service(name: str, namespace: str = "shop", **spec: Any) -> Service:
    """A Service, as the API server sends it."""
    body = {"metadata": {"name": name, "namespace": namespace}, "spec": spec}
    return msgspec.convert(body, Service)


def headless(name: str, **spec: Any) -> Service:
    return service(name, clusterIP="None", clusterIPs=["None"], **spec)


def endpoint(*addresses: str, hostname: str | None = None, ready: bool | None = True) -> Json:
    return {"addresses": addresses, "hostname": hostname, "conditions": {"ready": ready}}


def slice_of(owner: str, *endpoints: Json, name: str = "s1", ports: Any = ()) -> EndpointSlice:
    """A slice of a Service of namespace shop."""
    labels = {"kubernetes.io/service-name": owner}
    body = {
        "metadata": {"name": name, "namespace": "shop", "labels": labels},
        "endpoints": endpoints,
        "ports": ports,
    }
    return msgspec.convert(body, EndpointSlice)


def records_of(*objects: Service | EndpointSlice) -> ClusterRecords:
    """Complete tables of these objects, and of the namespaces shop and empty."""
    records = ClusterRecords("cluster.local")
    for name in ("shop", "empty"):
        records.namespace_changed(None, Namespace(ObjectMeta(name=name)))
    for each in objects:
        if isinstance(each, Service):
            records.service_changed(None, each)
        else:
            records.slice_changed(None, each)
    records.complete()
    return records


def zone_of(*objects: Service | EndpointSlice) -> ClusterZone:
    return ClusterZone(records_of(*objects), [])


def told(answer: Answer) -> list[str]:
    """The records of an answer, without TTL and class: "name type data"."""
    return [
        f"{found.name} {found.rdtype.name} {each.to_text()}"
        for found in answer.answer
        for each in found
    ]


def found(zone: Zone, name: str, kind: str = "A") -> Answer:
    answer = zone.find(from_text(name), RdataType[kind])
    assert answer is not None
    return answer


def asked(responder: Responder, query: Message, way: Way = UDP) -> Message:
    """The answer to a message that another server is not needed for."""
    response = responder.respond(query.to_wire(), way)
    assert isinstance(response, bytes)
    return from_wire(response)


def responder_of(*objects: Service | EndpointSlice) -> Responder:
    return Responder(zone_of(*objects), Counts())

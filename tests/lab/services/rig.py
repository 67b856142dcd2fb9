"""A cluster whose Services meet faults, while streams through another Service go on.

Pod `client` asks; `one`, on the other node, and `two`, on its own, answer. Service `steady` has `one`
behind it: by its cluster IP from the client, and by the node port of the client's node from the
router, of both families, by TCP and UDP. What a fault does to these streams is what it breaks.
"""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from tests.lab.cluster import Cluster, eventually
from tests.lab.faulty_node import apply_pod, fault_lab
from tests.lab.services.sites import apply
from tests.lab.services.speaker import ANSWER_S, Answer, Call, Speaker
from tests.lab.services.written import wait_written
from tests.lab.traffic import PORT as STREAM_PORT
from tests.lab.traffic import Speaker as Streamer

from ciliate.kube.client import ApiClient

CTR, W1 = "k8s-ctr", "k8s-w1"
NODE: Final = ("192.168.10.100", "fd00:192:168:10::100")  # The client's.
_ROUTER: Final = ("192.168.10.200", "fd00:192:168:10::200")
_PODS: Final = {"client": CTR, "one": W1, "two": CTR}

#: Where pods answer who they are.
PORT: Final = 9100
_STEADY_NODE_PORT: Final = 31900

#: A stream's name begins with who speaks.
_PROTOCOLS: Final = ("tcp", "udp")


@dataclass(frozen=True, slots=True)
class Rig:
    """The cluster, who answers and asks, and who streams."""

    lab: Cluster
    callers: dict[str, Speaker]
    streamers: dict[str, Streamer]

    def ask(self, place: str, call: Call) -> Answer:
        """Return what comes of one call."""
        return self.ask_each(place, [call])[0]

    def ask_each(self, place: str, calls: list[Call]) -> list[Answer]:
        """Return what comes of calls that are made at once, one answer after the other."""
        self.callers[place].ask(calls)
        return [answer for answers in self.callers[place].answers() for answer in answers]

    def streamer(self, name: str, node: str) -> Streamer:
        """Start who repeats in a pod of a node, or on the router, what it is told."""
        folder = f"{node}/pods/default_{name}" if node else name
        addresses = self.pod_ips(name) if node else _ROUTER
        return Streamer(self.lab, folder, name, addresses)

    def cluster_ips(self, name: str) -> tuple[str, ...]:
        """Return a Service's addresses, IPv4 first."""
        found = self.lab.object("service", name)["spec"]["clusterIPs"]
        return tuple(sorted(found, key=lambda ip: ":" in ip))

    def pod_ips(self, name: str) -> tuple[str, ...]:
        """Return a pod's addresses, IPv4 first."""
        listed = self.lab.object("pod", name)["status"]["podIPs"]
        return tuple(sorted((str(each["ip"]) for each in listed), key=lambda ip: ":" in ip))

    def apply(self, *documents: dict[str, Any]) -> None:
        """Have objects be so, their EndpointSlices, and the nodes' maps with them."""
        apply(self.lab, documents)
        chosen = {
            each["metadata"]["name"]: each["spec"]["selector"]
            for each in documents
            if each["kind"] == "Service" and each["spec"].get("selector")
        }
        eventually(lambda: _are_sliced(self.lab, chosen), what="slices of what is selected")
        wait_written(self.lab)

    def delete(self, *names: str) -> None:
        """Delete Services."""
        self.lab.kubectl("delete", "service", "--ignore-not-found", *names)

    @contextlib.contextmanager
    def streaming(self, place: str, addresses: tuple[str, ...], port: int) -> "Iterator[Streams]":
        """Streams of each protocol to addresses, for as long as the block runs."""
        streamer, names = self.streamers[place], []
        for address in addresses:
            for protocol in _PROTOCOLS:
                name = f"{place} {protocol} {address}:{port}"
                streamer.ask(do=protocol, name=name, to=address, port=port)
                names.append(name)
        found = Streams({})
        try:
            yield found
        finally:
            found.reports.update(streamer.ask(do="end", names=names))

    def socket_errors(self, place: str, addresses: tuple[str, ...]) -> int:
        """Return how many of a place's streams to addresses have met an error."""
        errors: dict[str, int] = self.streamers[place].ask(do="errors")
        return sum(bool(n) for name, n in errors.items() if any(a in name for a in addresses))

    @contextlib.contextmanager
    def undisturbed(self) -> Iterator[None]:
        """Assert that nothing of `steady` is lost or broken meanwhile."""
        with (
            self.streaming("client", self.cluster_ips("steady"), STREAM_PORT) as inside,
            self.streaming("router", NODE, _STEADY_NODE_PORT) as outside,
        ):
            yield
        inside.assert_whole()
        outside.assert_whole()


@dataclass(frozen=True, slots=True)
class Streams:
    """What came of streams, by name; complete when they have ended."""

    reports: dict[str, dict[str, Any]]

    def of(self, protocol: str) -> list[dict[str, Any]]:
        """Return the reports of a protocol's streams."""
        return [each for name, each in self.reports.items() if f" {protocol} " in name]

    def assert_whole(self, protocol: str = "") -> None:
        """Everything that was sent came back, on the connection that it was sent on."""
        found = {name: each for name, each in self.reports.items() if f" {protocol}" in name}
        assert found
        for name, report in found.items():
            assert report["sent"] > 0, f"{name}: {report}"
            assert not report["lost"], f"{name}: {report}"
            assert not report["errors"], f"{name}: {report}"


def _are_sliced(lab: Cluster, chosen: dict[str, dict[str, str]]) -> bool:
    """Whether slices name the ready pods that Services choose: before, maps and API are both bare."""
    pods = lab.object("pods")["items"]
    slices = lab.object("endpointslices")["items"]
    for name, selector in chosen.items():
        families = lab.object("service", name)["spec"].get("ipFamilies", ())
        wanted = {
            address["ip"]
            for pod in pods
            if selector.items() <= pod["metadata"].get("labels", {}).items() and _is_ready(pod)
            for address in pod["status"]["podIPs"]
            if ("IPv6" if ":" in address["ip"] else "IPv4") in families
        }
        named = {
            endpoint["addresses"][0]
            for each in slices
            if each["metadata"]["labels"].get("kubernetes.io/service-name") == name
            for endpoint in each.get("endpoints") or ()
            if endpoint["conditions"]["ready"]
        }
        if not wanted <= named:
            return False
    return True


def _is_ready(pod: dict[str, Any]) -> bool:
    conditions = pod["status"].get("conditions", ())
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def call(address: str, port: int, protocol: str = "tcp", within_s: float = ANSWER_S) -> Call:
    """Return one call."""
    return Call(address, 6 if ":" in address else 4, port, protocol, within_s)


def service(name: str, selector: dict[str, str] | None, **spec: Any) -> dict[str, Any]:
    """Return a Service of both families, TCP and UDP, whose pods say who they are."""
    ports = [
        {"name": protocol, "port": 80, "targetPort": PORT, "protocol": protocol.upper()}
        for protocol in _PROTOCOLS
    ]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "ipFamilyPolicy": "RequireDualStack",
            "ports": ports,
            **({"selector": selector} if selector else {}),
            **spec,
        },
    }


def streamed(name: str, selector: dict[str, str], **spec: Any) -> dict[str, Any]:
    """Return a Service whose pods repeat what they are told."""
    found = service(name, selector, **spec)
    for port in found["spec"]["ports"]:
        port["port"] = port["targetPort"] = STREAM_PORT
    return found


def slice_of(
    name: str, addresses: list[str], *, version: int = 4, ports: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    """Return an EndpointSlice that nobody else keeps, of ready endpoints."""
    given = [{"name": p, "port": PORT, "protocol": p.upper()} for p in _PROTOCOLS]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{name}-by-hand-{version}",
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": name},
        },
        "addressType": f"IPv{version}",
        "endpoints": [{"addresses": [each], "conditions": {"ready": True}} for each in addresses],
        "ports": ports or given,
    }


def through_api(lab: Cluster, work: Callable[[ApiClient], Awaitable[None]]) -> None:
    """Do many changes by one client: kubectl would take a tenth of a second for each."""

    async def run() -> None:
        async with ApiClient.from_kubeconfig(lab.folder / "kubeconfig") as client:
            await work(client)

    asyncio.run(run())


async def put_slice(client: ApiClient, document: dict[str, Any]) -> None:
    """Have a slice be so, as fast as the API server takes it."""
    name = document["metadata"]["name"]
    path = f"/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/{name}"
    body = json.dumps(document).encode()
    await client.request(
        "PATCH",
        path,
        params={"fieldManager": "test", "force": "true"},
        body=body,
        content_type="application/apply-patch+yaml",
    )


@contextlib.contextmanager
def fault_rig(theme: str) -> Iterator[Rig]:
    """The cluster, with `steady` served."""
    with fault_lab(theme, "--dual-stack") as lab, contextlib.ExitStack() as ended:
        for name, node in _PODS.items():
            apply_pod(lab, name, node)
        rig = Rig(lab, {}, {})
        for name in (*_PODS, "router"):
            rig.streamers[name] = rig.streamer(name, _PODS.get(name, ""))
            ended.callback(rig.streamers[name].close)
            rig.callers[name] = Speaker.of(lab, name, name, PORT)
            ended.callback(rig.callers[name].close)
        for speaker in rig.callers.values():
            speaker.wait_ready()
        steady = streamed("steady", {"app": "one"}, type="NodePort")
        for port in steady["spec"]["ports"]:
            port["nodePort"] = _STEADY_NODE_PORT
        rig.apply(steady)
        yield rig

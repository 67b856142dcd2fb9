"""A way becomes stations of the picture, with what was translated, and a line through them."""

import itertools
from typing import Any

import pytest
from tests.page.browser import Page
from tests.page.played_lab import PlayedLab, recorded

WEB = "default/webpod-6c6868c698-wqz2k"
CURL = "default/curl-pod"

JOURNEY = """
const { journeyOf } = await load("lab/way.js");
const { outcome, packets, steps, rest } = journeyOf(args[0], args[1]);
return { outcome, rest, steps, packets: packets.map((each) => ({ ...each,
    stations: each.stations.map(({ kind, node, name }) => [kind, node, name].filter(Boolean).join(" ")) })) };
"""


@pytest.fixture
def lab_modules(opened: Page, played: PlayedLab) -> Page:
    """The view's modules alone: for what looks at nothing."""
    page = Page(opened.driver, played.url)
    if not opened.driver.current_url.startswith(played.url):
        page.open()
    return page


def way_to(destination: str) -> Any:
    return recorded()["ways"][destination]["ways"][-1]


def journey(page: Page, way: Any, picture: Any = None) -> Any:
    return page.run(JOURNEY, way, picture or recorded()["picture"])


def remote_way() -> Any:
    """The curl that was answered by the other node's pod."""
    ways = recorded()["ways"]["webpod:80"]["ways"]
    return next(each for each in ways if each["backend"]["name"] == WEB)


def test_connection_to_another_node_goes_by_the_switch_and_back(lab_modules: Page) -> None:
    found = journey(lab_modules, remote_way())

    call, syn, answer, told = found["packets"]
    there = [
        f"pod k8s-ctr {CURL}",
        f"veth k8s-ctr {CURL}",
        "device k8s-ctr eth1",
        "switch k8s-ctr",
        "switch k8s-w1",
        "device k8s-w1 eth1",
        f"veth k8s-w1 {WEB}",
        f"pod k8s-w1 {WEB}",
    ]
    assert syn["title"] == "SYN"
    assert syn["stations"] == there
    assert answer["stations"] == there[::-1]
    assert call["stations"] == told["stations"] == there[:1]
    assert "ACK, PSH" in syn["same"]
    assert found["outcome"] == "answered"


def test_hops_are_numbered_and_stand_where_they_were_seen(lab_modules: Page) -> None:
    found = journey(lab_modules, remote_way())

    assert [step["number"] for step in found["steps"]] == list(range(1, 8))
    places = {step["number"]: (step["at"]["kind"], step["at"]["node"]) for step in found["steps"]}
    assert places[3] == ("veth", "k8s-ctr")
    assert places[4] == ("device", "k8s-w1")
    assert places[6] == ("device", "k8s-ctr")


def test_a_service_is_translated_at_the_socket_and_back(lab_modules: Page) -> None:
    way = remote_way()
    service, backend = (f"{way[end]['address']}:80" for end in ("destination", "backend"))

    steps = journey(lab_modules, way)["steps"]

    assert steps[1]["changes"] == [{"side": "destination", "from": service, "to": backend}]
    assert steps[6]["changes"] == [{"side": "source", "from": backend, "to": service}]
    assert [bool(step["changes"]) for step in steps].count(True) == 2


def test_masquerading_is_undone_on_the_way_back(lab_modules: Page) -> None:
    way = way_to("203.0.113.10:80")
    pod = way["source"]["address"]

    found = journey(lab_modules, way)

    there, back = found["steps"]
    assert there["changes"] == [{"side": "source", "from": pod, "to": "10.0.2.15"}]
    assert there["header"]["source"] == "10.0.2.15"
    assert back["changes"] == [{"side": "destination", "from": "10.0.2.15", "to": pod}]
    assert found["packets"][0]["stations"][-3:] == [
        "gateway k8s-ctr",
        "internet k8s-ctr",
        "server 203.0.113.10",
    ]


def test_what_is_behind_the_router_is_reached_by_the_switch(lab_modules: Page) -> None:
    stations = journey(lab_modules, way_to("10.10.1.200:80"))["packets"][0]["stations"]

    assert stations[-3:] == ["switch router", "device router eth1", "network router 10.10.1.0/24"]


def test_drop_ends_where_it_was_dropped_and_says_why(lab_modules: Page) -> None:
    found = journey(lab_modules, way_to("203.0.113.10:81"))

    (packet,) = found["packets"]
    assert packet["stations"] == [f"pod k8s-ctr {CURL}", f"veth k8s-ctr {CURL}"]
    assert "not its own" in packet["steps"][0]["cause"]["why"]
    assert found["outcome"] == "dropped"


def test_refused_call_has_a_step_of_its_own(lab_modules: Page) -> None:
    found = journey(lab_modules, way_to("nowhere:80"))

    assert [step["hop"]["verdict"] for step in found["steps"]] == ["TRACED", "REFUSED"]
    assert "no endpoint" in found["steps"][1]["cause"]["why"]
    assert found["outcome"] == "refused"


def test_what_nobody_told_is_known_as_such(lab_modules: Page) -> None:
    silent = journey(lab_modules, way_to("198.51.100.1:80"))
    vacant = journey(lab_modules, way_to("10.244.1.99:80"))

    (packet,) = silent["packets"]
    assert packet["stations"][packet["told"]] == f"veth k8s-ctr {CURL}"
    assert packet["stations"][-1] == "beyond 198.51.100.1"
    assert silent["outcome"] == "no answer"
    assert vacant["packets"][0]["stations"][-1] == "nobody k8s-w1 10.244.1.99"
    assert vacant["outcome"] == "error"


def test_pods_that_are_gone_take_no_way_with_them(lab_modules: Page) -> None:
    picture = recorded()["picture"]
    for machine in picture["machines"]:
        machine["pods"] = []

    found = journey(lab_modules, remote_way(), picture)

    assert len(found["steps"]) == 7
    assert found["packets"][1]["stations"][0] == "nobody k8s-ctr 10.244.0.2"


def test_a_way_of_very_many_packets_is_cut_and_says_so(lab_modules: Page) -> None:
    way = way_to("203.0.113.10:80")
    hop = way["packets"][0]["hops"][0]
    way["packets"] = [
        {"direction": "request", "packet": "UDP", "hops": [{**hop, "device": f"lxc{number}"}]}
        for number in range(500)
    ]

    found = journey(lab_modules, way)

    assert len(found["steps"]) == 120
    assert found["rest"] == 380


@pytest.mark.parametrize(
    ("address", "network", "is_within"),
    [
        ("10.244.1.9", "10.244.1.0/24", True),
        ("10.244.2.9", "10.244.1.0/24", False),
        ("fd00:10:244:1::9", "fd00:10:244:1::/64", True),
        ("fd00:10:244:2::9", "fd00:10:244:1::/64", False),
        ("10.244.1.9", "fd00::/8", False),
        ("<b>", "10.244.1.0/24", False),
        ("10.244.1.9", "0.0.0.0/0", True),
    ],
)
def test_networks_have_their_addresses(
    lab_modules: Page, address: str, network: str, *, is_within: bool
) -> None:
    script = 'return (await load("lab/addresses.js")).isWithin(args[0], args[1]);'

    assert lab_modules.run(script, address, network) is is_within


LAYOUT = """
const { layoutOf } = await load("lab/layout.js"), { lineOf, aside } = await load("lab/track.js");
const { journeyOf } = await load("lab/way.js"), { wishesOf } = await load("lab/wishes.js");
const journey = journeyOf(args[0], args[1]);
const wishes = { ...wishesOf(journey, []), podsMax: args[3], unfolded: new Set() };
const layout = layoutOf(args[1], wishes, args[2]);
const lines = journey.packets.map(({ stations, direction }) => aside(lineOf(stations, layout).points, direction));
return { lines, boxes: [...layout.boxes.values()], rows: layout.rows.length, width: layout.width };
"""


@pytest.mark.parametrize("columns", [1, 2, 3])
def test_lines_are_straight_however_machines_stand(lab_modules: Page, columns: int) -> None:
    found = lab_modules.run(LAYOUT, remote_way(), recorded()["picture"], columns, 12)

    assert found["rows"] == -(-3 // columns)
    there, back = found["lines"][1:3]
    for line in (there, back):
        assert len(line) > 5
        for one, other in itertools.pairwise(line):
            # At a card's side a line ends a few pixels before it.
            assert one["y"] == other["y"] or one["x"] == other["x"]
    assert not {(p["x"], p["y"]) for p in there} & {(p["x"], p["y"]) for p in back}


def test_pods_beyond_twelve_are_folded_but_those_of_the_way_are_not(lab_modules: Page) -> None:
    picture = recorded()["picture"]
    node = picture["machines"][1]
    others = [
        {"name": f"aaa/load-{n}", "addresses": [f"10.244.0.{n + 20}"], "phase": "Running"}
        for n in range(40)
    ]
    node["pods"] = others + node["pods"]

    boxes = lab_modules.run(LAYOUT, remote_way(), picture, 3, 12)["boxes"]

    box = next(each for each in boxes if each["machine"]["name"] == node["name"])
    drawn = [slot["key"] for slot in box["slots"]]
    assert CURL in drawn
    assert len(drawn) + len((box["hosts"] or {"pods": []})["pods"]) == 12
    assert box["more"]["count"] == len(node["pods"]) - 12


def test_flows_are_asked_for_by_the_pod_that_opened_the_connection(lab_modules: Page) -> None:
    script = 'return (await load("lab/seen.js")).questionOf(args[0]);'
    pod, web = {"namespace": "default", "pod_name": "curl-pod"}, {"identity": 2}
    ip = {"source": "10.0.0.1", "destination": "fd00::2"}
    ports = {"source_port": 40000, "destination_port": 80}
    request = {"source": pod, "destination": web, "IP": ip, "l4": {"TCP": ports}}
    reply = {
        "source": web,
        "destination": pod,
        "IP": {"source": "203.0.113.10", "destination": "10.0.0.1"},
        "l4": {"TCP": {"source_port": 80, "destination_port": 40000}},
        "is_reply": {"value": True},
    }

    asked = lab_modules.run(script, request)
    of_reply = lab_modules.run(script, reply)
    of_world = lab_modules.run(script, {**request, "source": web})

    assert asked == {"from": CURL, "to": "[fd00::2]:80", "over": "tcp", "way": "port:40000"}
    assert of_reply == {"from": CURL, "to": "203.0.113.10:80", "over": "tcp", "way": "port:40000"}
    assert of_world is None


SEEN = """
const { connectionsOf } = await load("lab/seen.js");
const { POST_XLATE_FWD, TRACE_SOCK } = await load("model/names.js");
const pod = { pod: "curl-pod", namespace: "default" }, web = { pod: "web", namespace: "default" };
const row = { source: pod, destination: web, destinationIp: "10.0.0.2", destinationPort: 80, destinationName: "",
    sourceIp: "10.0.0.1", sourcePort: 40000, protocol: "TCP", verdict: 1, reply: false, ms: 1, type: "to-network", eventType: 4 };
const socket = { ...row, eventType: TRACE_SOCK, reply: undefined };
return connectionsOf([row,
    { ...socket, type: "pre-xlate-fwd", destinationIp: "10.96.0.1", destinationName: "default/web", ms: 2 },
    { ...socket, type: "post-xlate-fwd", ms: 3 }, { ...row, destinationIp: "10.0.0.3", verdict: 2, ms: 4 },
    { ...row, source: { pod: "" }, ms: 5 }]);
"""


def test_connections_lately_are_of_services_where_sockets_asked_for_one(lab_modules: Page) -> None:
    found = lab_modules.run(SEEN)

    assert [(each["destination"], each["name"], each["isDropped"]) for each in found] == [
        ("10.0.0.3:80", "default/web", True),
        ("10.96.0.1:80", "Service default/web", False),
    ]

"""Which cards and links flows become, and that hostile ones become no more than there is room for."""

import base64
import random
from typing import Any

import pytest
from tests.page.browser import Page
from tests.page.flows import pod, recorded, tcp_flow, world
from tests.page.test_wire import fill

from ciliate.flows.batches import batch_of
from ciliate.flows.pb.flow import flow_pb2
from ciliate.flows.pb.observer import observer_pb2

#: Has a session take a message; returns what changed for the map.
TAKE = """
const { Session } = await load("model/session.js");
const session = new Session();
for (const message of args[0]) session.take(Uint8Array.from(atob(message), (each) => each.charCodeAt(0)), Date.now());
const { cards, links, full } = session.changes(Date.now());
return { cards, links, full, unreadable: session.unreadable, total: session.ring.total };
"""


def taken(page: Page, *flows: flow_pb2.Flow) -> Any:
    answers = [observer_pb2.GetFlowsResponse(flow=flow) for flow in flows]
    message = base64.b64encode(batch_of(answers).SerializeToString()).decode()
    return page.run(TAKE, [message])


def links(found: Any) -> set[tuple[str, str, str, int]]:
    titles = {card["id"]: card["title"] for card in found["cards"]}
    return {(titles[x["from"]], titles[x["to"]], x["protocol"], x["port"]) for x in found["links"]}


def test_recorded_flows_are_who_asked_whom(modules: Page) -> None:
    found = taken(modules, *(answer.flow for answer in recorded()))

    assert links(found) == {
        ("frontend", "cart", "TCP", 80),
        ("frontend", "catalog", "TCP", 80),
        ("frontend", "checkout", "TCP", 80),
        ("recommender", "coredns", "UDP", 53),
        ("world", "orders", "TCP", 80),
        ("importer", "world", "ICMPv4", 0),
        ("host", "hubble-relay", "TCP", 4222),
        ("hubble-relay", "host", "TCP", 4244),
    }
    drop = next(each for each in found["links"] if each["verdicts"][flow_pb2.DROPPED])
    assert drop["reason"] == "Invalid source ip"


def test_a_reply_counts_for_the_link_of_its_request(modules: Page) -> None:
    client, web = pod("client"), pod("web")
    found = taken(modules, tcp_flow(client, web), tcp_flow(web, client, is_reply=True))

    assert links(found) == {("client", "web", "TCP", 80)}
    assert found["links"][0]["verdicts"][flow_pb2.FORWARDED] == 2


def test_a_drop_of_an_answer_counts_for_the_link_of_its_request(modules: Page) -> None:
    client, web = pod("client"), pod("web")
    answer = tcp_flow(web, client, is_reply=True, dropped=True)
    found = taken(modules, tcp_flow(client, web), answer)

    assert links(found) == {("client", "web", "TCP", 80)}
    assert found["links"][0]["verdicts"][flow_pb2.DROPPED] == 1


def test_pods_of_an_identity_are_one_card_on_every_node(modules: Page) -> None:
    """Another node than the pod's own need not know the workload."""
    flows = []
    for name, workload in (("web-1", "web"), ("web-2", "")):
        end = pod(name, identity=77)
        if workload:
            end.workloads.add(name=workload, kind="Deployment")
        flows.append(tcp_flow(pod("client"), end))
    found = taken(modules, *flows)

    (web,) = [card for card in found["cards"] if card["identity"] == 77]
    assert (web["title"], web["kind"], web["detail"]) == ("web", "Deployment", "2 pods")


def test_the_world_calls_on_one_side_and_is_called_on_the_other(modules: Page) -> None:
    web = pod("web")
    found = taken(modules, tcp_flow(world(), web), tcp_flow(web, world(), 443))

    assert {card["id"] for card in found["cards"] if card["title"] == "world"} == {
        "world/from",
        "world/to",
    }


def test_a_scan_of_ports_is_few_links(modules: Page) -> None:
    scanner, web = pod("scanner"), pod("web")
    found = taken(modules, *(tcp_flow(scanner, web, port) for port in range(1, 2000)))

    assert len(found["links"]) == 11
    assert sum(sum(each["verdicts"]) for each in found["links"]) == 1999


def test_cards_have_a_bound(modules: Page) -> None:
    web = pod("web", identity=1)
    flows = [tcp_flow(pod(f"p{n}", identity=1000 + n), web) for n in range(400)]
    found = taken(modules, *flows)

    assert len(found["cards"]) <= 251
    assert "others" in {card["title"] for card in found["cards"]}


@pytest.mark.parametrize("seed", range(4))
def test_whatever_a_flow_says_the_next_one_is_taken(modules: Page, seed: int) -> None:
    chance = random.Random(seed)
    flows = [flow_pb2.Flow() for _ in range(200)]
    for flow in flows:
        fill(flow, chance)
    found = taken(modules, *flows, tcp_flow(pod("client"), pod("web")))

    assert (found["total"], found["unreadable"]) == (201, 0)


def test_octets_that_are_no_flow_are_counted(modules: Page) -> None:
    good = observer_pb2.GetFlowsResponse(flow=tcp_flow(pod("a"), pod("b"))).SerializeToString()
    messages = [base64.b64encode(each).decode() for each in (b"\xff\xff", good)]

    found = modules.run(TAKE, messages)

    assert (found["total"], found["unreadable"]) == (1, 1)


def test_callers_stand_left_of_whom_they_call(modules: Page) -> None:
    script = """
    const { ranksOf } = await load("model/ranks.js");
    const links = args[0].map(([from, to]) => ({ from, to }));
    return Object.fromEntries(ranksOf([...new Set(args[0].flat())], links));
    """
    chain = [["front", "cart"], ["cart", "store"], ["front", "store"], ["store", "store"]]

    assert modules.run(script, chain) == {"front": 0, "cart": 1, "store": 2}
    circle = modules.run(script, [["a", "b"], ["b", "c"], ["c", "a"]])
    assert sorted(circle.values()) == [0, 1, 2]


def test_things_that_are_stacked_do_not_overlap_and_stay_near(modules: Page) -> None:
    script = """
    const { stacked } = await load("model/stack.js");
    return stacked(args[0].map(([wish, height]) => ({ wish, height })), 10);
    """

    assert modules.run(script, [[0, 20], [0, 20], [500, 20]]) == [-15, 15, 500]


def test_a_link_goes_around_the_cards_between(modules: Page) -> None:
    script = """
    const { route, Tracks } = await load("model/route.js");
    const box = (x, y) => ({ x, y, width: 100, height: 40 });
    const from = box(0, 0), between = box(200, 0), to = box(400, 0);
    const path = route({ x: 100, y: 20 }, { x: 400, y: 20 }, [from, between, to], from, to, new Tracks());
    const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
    line.setAttribute("d", path);
    const points = Array.from({ length: 200 }, (_, at) => line.getPointAtLength(line.getTotalLength() * at / 199));
    return points.some(({ x, y }) => x > 200 && x < 300 && y > 0 && y < 40);
    """

    assert modules.run(script) is False

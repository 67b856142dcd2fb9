"""What stands in the address becomes the filters of `hubble observe`, and back."""

from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from tests.page.browser import Page, PageError
from tests.page.flows import pod, tcp_flow, world

from ciliate.flows.pb.flow import flow_pb2
from ciliate.flows.server.filter import compile_filters
from ciliate.flows.server.message_view import MessageView

FILTERS = """
const { readChoice } = await load("model/choice.js");
const { filtersOf } = await load("model/filter.js");
const { choice, problems } = readChoice(args[0]);
if (problems.length) throw new Error(problems.join());
return filtersOf(choice);
"""


def filters(page: Page, query: str) -> tuple[list[Any], list[Any]]:
    found = page.run(FILTERS, query)
    return found["whitelist"], found["blacklist"]


def passes(page: Page, query: str, flow: flow_pb2.Flow) -> bool:
    """Whether the flow server lets a flow pass by the page's filters."""
    lists = [
        [ParseDict(one, flow_pb2.FlowFilter()) for one in some] for some in filters(page, query)
    ]
    return compile_filters(*lists)(MessageView(flow))


@pytest.mark.parametrize(
    ("query", "whitelist"),
    [
        ("?namespace=*", []),
        ("?namespace=shop", [{"source_pod": ["shop/"]}, {"destination_pod": ["shop/"]}]),
        (
            "?namespace=shop,data",
            [{"source_pod": ["shop/", "data/"]}, {"destination_pod": ["shop/", "data/"]}],
        ),
        ("?namespace=*&to-pod=shop/cart", [{"destination_pod": ["shop/cart"]}]),
        ("?namespace=*&pod=cart", [{"source_pod": ["/cart"]}, {"destination_pod": ["/cart"]}]),
        (
            "?namespace=*&ip=10.0.0.1&port=80",
            [
                {"source_ip": ["10.0.0.1"], "source_port": ["80"]},
                {"destination_ip": ["10.0.0.1"], "destination_port": ["80"]},
            ],
        ),
        ("?namespace=*&verdict=dropped,audit", [{"verdict": [2, 4]}]),
        ("?namespace=*&type=trace:to-endpoint", [{"event_type": [{"type": 4, "match_sub_type": True, "sub_type": 0}]}]),
        ("?namespace=*&type=drop", [{"event_type": [{"type": 1}]}]),
        ("?namespace=*&from-identity=host", [{"source_identity": [1]}]),
        ("?namespace=*&ip-version=6", [{"ip_version": [2]}]),
        ("?namespace=*&tcp-flags=SYN,ACK", [{"tcp_flags": [{"SYN": True, "ACK": True}]}]),
        ("?namespace=*&to-workload=Deployment/web", [{"destination_workload": [{"kind": "Deployment", "name": "web"}]}]),
        ("?namespace=*&label=app in (a,b)", [{"source_label": ["app in (a,b)"]}, {"destination_label": ["app in (a,b)"]}]),
        (
            "?namespace=shop&to-pod=cart",
            [
                {"source_pod": ["shop/"], "destination_pod": ["shop/cart"]},
                {"destination_pod": ["shop/cart"]},
            ],
        ),
    ],
)  # fmt: skip
def test_words_are_the_filters_of_hubble(modules: Page, query: str, whitelist: list[Any]) -> None:
    assert filters(modules, query) == (whitelist, [])


@pytest.mark.parametrize(
    ("query", "blacklist"),
    [
        ("?namespace=*&not-port=53", [{"source_port": ["53"]}, {"destination_port": ["53"]}]),
        (
            "?namespace=*&not-to-ip=10.0.0.1&not-protocol=udp",
            [{"destination_ip": ["10.0.0.1"]}, {"protocol": ["udp"]}],
        ),
        (
            "?namespace=*&hide=host",
            [{"source_label": ["reserved:host"]}, {"destination_label": ["reserved:host"]}],
        ),
    ],
)
def test_words_that_are_turned_round_and_hidden_things_are_left_out(
    modules: Page, query: str, blacklist: list[Any]
) -> None:
    assert filters(modules, query) == ([], blacklist)


@pytest.mark.parametrize(
    ("query", "is_shown"),
    [
        ("?namespace=shop", True),
        ("?namespace=data", True),
        ("?namespace=kube-system", False),
        ("?namespace=kube-system,data", True),
        ("?namespace=shop&pod=cart", True),
        ("?namespace=shop&pod=orders", False),  # It is a pod of another namespace.
        ("?namespace=shop&pod=data/orders", True),
        ("?namespace=shop&from-pod=cart&to-pod=data/orders", True),
        ("?namespace=shop&from-pod=data/orders", False),
        ("?namespace=shop&pod=cart&port=80", False),  # As for `hubble observe`: of one end.
        ("?namespace=shop&to-port=80", True),
        ("?namespace=shop&not-port=80", False),
        ("?namespace=shop&not-pod=data/orders", False),
        ("?namespace=*&connection=tcp:10.0.0.2:80-10.0.0.1:40000", True),
        ("?namespace=*&connection=tcp:10.0.0.2:81-10.0.0.1:40000", False),
        ("?namespace=*&label=app=cart", True),
        ("?namespace=*&hide=world", True),
        ("?namespace=*&identity=42", True),
    ],
)
def test_the_flow_server_shows_what_the_words_mean(
    modules: Page, query: str, *, is_shown: bool
) -> None:
    flow = tcp_flow(pod("cart", "shop", identity=42), pod("orders", "data"))

    assert passes(modules, query, flow) is is_shown


@pytest.mark.parametrize("hidden", ["world", "kube-dns"])
def test_what_is_hidden_is_neither_asker_nor_asked(modules: Page, hidden: str) -> None:
    dns = pod("coredns", "kube-system")
    dns.labels.append("k8s:k8s-app=kube-dns")
    end = {"world": world(), "kube-dns": dns}[hidden]

    for flow in (tcp_flow(end, pod("cart")), tcp_flow(pod("cart"), end)):
        assert passes(modules, "?namespace=*", flow)
        assert not passes(modules, f"?namespace=*&hide={hidden}", flow)


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("?namespace=*&port=http", "port=http: is no port: write a number from 0 to 65535"),
        ("?namespace=*&verdict=drop", "verdict=drop: is none of forwarded, dropped"),
        ("?namespace=*&prot=tcp", "there is no such filter: did you mean protocol="),
        ("?namespace=*&ip=web", "ip=web: is no address"),
        ("?namespace=*&type=trace:nowhere", "type=trace:nowhere: trace has no nowhere"),
        ("?namespace=*&constructor=x", "constructor: there is no such filter"),
        ("?namespace=shop&from-pod=data/a&to-pod=data/b", "no flow can be all of this"),
    ],
)
def test_words_that_cannot_be_used_are_told_with_the_remedy(
    modules: Page, query: str, problem: str
) -> None:
    with pytest.raises(PageError) as caught:
        filters(modules, query)

    assert problem in str(caught.value)


@pytest.mark.parametrize(
    "query",
    [
        "?namespace=*",
        "?namespace=shop,data&pod=shop/cart&not-port=53&label=app=web&hide=host,world",
        "?namespace=shop&ip=fd00::1&connection=tcp:[fd00::1]:80-[fd00::2]:1",
        "?namespace=shop&label=app%20in%20(a,b)%20%26%20%23",
    ],
)
def test_an_address_that_is_read_and_written_is_the_same(modules: Page, query: str) -> None:
    script = """
    const { readChoice, writeChoice } = await load("model/choice.js");
    return writeChoice(readChoice(args[0]).choice);
    """

    assert modules.run(script, query) == query


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("80", ["port=80", "identity=80"]),
        ("10.0.0.0/8", ["ip=10.0.0.0/8"]),
        ("dropped", ["verdict=dropped", "pod=dropped", "workload=dropped"]),
        ("udp", ["protocol=udp", "pod=udp", "workload=udp"]),
        ("shop/cart", ["pod=shop/cart", "workload=shop/cart"]),
    ],
)
def test_a_word_without_a_name_is_guessed(modules: Page, text: str, words: list[str]) -> None:
    script = """
    const { guessWords, wordText } = await load("model/words.js");
    return guessWords(args[0]).map(wordText);
    """

    assert modules.run(script, text) == words

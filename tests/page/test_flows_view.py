"""The page as somebody uses it who looks for a flow."""

import json

import grpc
import pytest
from selenium.webdriver.common.keys import Keys
from tests.page.browser import Page
from tests.page.flows import pod, recorded, tcp_flow
from tests.page.played_observer import Play, answer_of
from tests.page.prefix_proxy import proxied

from ciliate.flows.pb.flow import flow_pb2
from ciliate.flows.pb.observer import observer_pb2
from ciliate.flows.pb.relay import relay_pb2

CURL, WEB = pod("curl-pod"), pod("webpod")


def shown(page: Page, count: int) -> None:
    """Wait until the table has so many flows."""
    page.wait("document.querySelector('.grid').ariaRowCount === String(args[0] + 1)", count)


def test_without_a_namespace_the_page_offers_those_there_are(page: Page, play: Play) -> None:
    play.send_flows(tcp_flow(CURL, WEB))
    page.open()
    page.wait("document.querySelectorAll('.empty .namespaces button').length === 3")

    assert page.texts(".empty .namespaces button") == ["default", "kube-system", "All namespaces"]
    page.find(".empty .namespaces button").click()

    shown(page, 1)
    assert page.query == "?namespace=default"
    assert set(page.cards()) == {"curl-pod", "webpod"}


def test_map_and_table_say_what_was_recorded(page: Page, play: Play) -> None:
    play.send(*recorded())
    page.open("?namespace=*")
    shown(page, len(recorded()))

    assert "asked at TCP 80" in page.cards()["cart"]
    rows = page.rows()
    assert rows[0][1:3] == ["host 10.0.2.15:40826", "kube-system/hubble-relay-854f8d9bc6-2wn57"]
    (drop,) = [row for row in rows if row[5] == "dropped"]
    assert drop[6] == "Invalid source ip"
    assert page.texts(".link.dropped title") == [""]  # It is written when somebody points at it.


def test_a_typed_word_is_asked_of_the_relay_and_stands_in_the_address(
    page: Page, play: Play
) -> None:
    play.send_flows(tcp_flow(CURL, WEB), tcp_flow(CURL, pod("db"), 5432))
    page.open("?namespace=default")
    shown(page, 2)

    page.filter("to-port=5432")
    shown(page, 1)

    assert page.query == "?namespace=default&to-port=5432"
    assert page.texts(".chip") == ["to-port=5432"]
    assert [list(each.destination_port) for each in play.requests[-1].whitelist] == [["5432"]] * 2
    page.driver.back()
    shown(page, 2)
    page.driver.forward()
    shown(page, 1)


def test_a_copied_address_shows_the_same(page: Page, play: Play) -> None:
    play.send_flows(tcp_flow(CURL, WEB), tcp_flow(CURL, WEB, dropped=True))

    page.open("?namespace=default&verdict=dropped&not-port=53&hide=world")
    shown(page, 1)

    assert page.texts(".chip") == ["verdict=dropped", "notport=53"]
    assert page.find(".verdict-switch.dropped").get_attribute("aria-pressed") == "true"
    assert page.texts(".picker span")[-1] == "1 hidden"


@pytest.mark.parametrize(
    ("word", "problem"),
    [
        ("port=http", "port=http: is no port"),
        ("colour=red", "colour: there is no such filter"),
        ("label=((", "invalid source label filter"),  # Only the server knows.
    ],
)
def test_a_word_that_cannot_be_used_is_told_beside_the_box(
    page: Page, play: Play, word: str, problem: str
) -> None:
    page.open("?namespace=default")

    page.filter(word)

    page.wait("document.querySelector('.problem').textContent.includes(args[0])", problem)


def test_backspace_takes_the_last_word_up_again(page: Page) -> None:
    page.open("?namespace=default&port=80")
    page.find("input.words").click()

    page.press(Keys.BACKSPACE)

    assert page.find("input.words").get_property("value") == "port=80"
    assert page.query == "?namespace=default"


def test_names_that_flows_had_complete_a_word(page: Page, play: Play) -> None:
    play.send_flows(tcp_flow(CURL, WEB))
    page.open("?namespace=default")
    shown(page, 1)
    page.find("input.words").send_keys("to-pod=web")
    page.wait("document.querySelector('.completion .word')?.textContent.endsWith('/webpod')")

    assert page.texts(".completion .word") == ["to-pod=default/webpod"]
    page.press(Keys.ARROW_DOWN, Keys.ENTER)

    assert page.query == "?namespace=default&to-pod=default/webpod"


def test_a_card_and_a_link_are_filters(page: Page, play: Play) -> None:
    play.send_flows(tcp_flow(CURL, WEB), tcp_flow(CURL, pod("db", identity=7), 5432))
    page.open("?namespace=default")
    shown(page, 2)

    page.find("g.card[aria-label^='db'] .body").click()
    shown(page, 1)

    assert page.query == "?namespace=default&identity=7"
    assert page.texts(".chip .dim") == [" db"]


def test_all_of_a_flow_is_shown_and_each_value_is_a_filter(page: Page, play: Play) -> None:
    play.send(*recorded())
    page.open("?namespace=*&type=trace:to-network&to-pod=shop/cart")
    shown(page, 2)

    page.find(".sheet .row").click()
    page.wait("document.querySelector('.details dl') !== null")

    texts = page.texts(".details .text")
    assert {"shop/cart-6476995465-hzb7n", "Deployment/frontend", "k8s:app=cart", "k8s-ctr"} <= set(
        texts
    )
    page.find("[aria-label='Not node=k8s-ctr']").click()
    assert page.query.endswith("&not-node=k8s-ctr")


def test_the_connection_of_a_flow_is_a_filter(page: Page, play: Play) -> None:
    play.send(*recorded())
    page.open("?namespace=*&verdict=forwarded&to-pod=shop/cart")
    shown(page, 3)

    page.find(".sheet .row").click()
    page.find(".details .actions button").click()

    page.wait("location.search.includes('connection=tcp:')")
    page.run("history.replaceState(null, '', location.search.replace('&to-pod=shop/cart', ''))")
    page.driver.refresh()
    shown(page, 6)  # Both ways.


def test_flows_come_as_they_are_told_the_newest_first(page: Page, play: Play) -> None:
    page.open("?namespace=default")
    page.wait("document.querySelector('.empty h2')?.textContent === 'No flows yet'")

    for port in (81, 82, 83):
        play.send_flows(tcp_flow(CURL, WEB, port))

    shown(page, 3)
    page.wait("document.querySelectorAll('.canvas .port').length === 3")
    assert [row[3] for row in page.rows()] == ["83", "82", "81"]


def test_who_reads_keeps_what_is_there_and_is_told_what_is_new(page: Page, play: Play) -> None:
    play.send_flows(*(tcp_flow(CURL, WEB, port) for port in range(1, 201)))
    page.open("?namespace=default")
    shown(page, 200)

    page.run("document.querySelector('.grid').scrollTop = 1000")
    page.wait("document.querySelector('.newer').offsetParent !== null")
    before = page.rows()
    play.send_flows(*(tcp_flow(CURL, WEB, port) for port in range(1001, 1051)))
    page.wait("document.querySelector('.newer').textContent.startsWith('50 new flows')")

    assert page.rows() == before
    page.find(".newer").click()
    shown(page, 250)
    page.wait("document.querySelector('.sheet .row .port').textContent === '1050'")


def test_a_chosen_row_stays_chosen_while_more_come(page: Page, play: Play) -> None:
    play.send_flows(*(tcp_flow(CURL, WEB, port) for port in (81, 82)))
    page.open("?namespace=default")
    shown(page, 2)

    page.find(".sheet .row").click()
    play.send_flows(tcp_flow(CURL, WEB, 83))
    page.wait("document.querySelector('.newer').textContent.startsWith('1 new flow ')")

    assert page.texts(".row.chosen .port") == ["82"]
    page.find(".details [aria-label='Close details']").click()
    assert page.texts(".row.chosen") == []


def test_more_than_ten_thousand_flows_keep_the_newest(page: Page, play: Play) -> None:
    play.send_flows(*(tcp_flow(CURL, WEB, 1 + number % 60_000) for number in range(10_500)))
    page.open("?namespace=default")

    shown(page, 10_000)
    page.wait("document.querySelector('.sheet .row .port').textContent === '10500'")


def test_a_stream_that_breaks_off_goes_on_where_it_was(page: Page, play: Play) -> None:
    play.send_flows(*(tcp_flow(CURL, WEB, port) for port in (81, 82)))
    page.open("?namespace=default")
    shown(page, 2)

    play.break_off()
    page.wait("document.querySelector('.status').textContent.includes('reconnecting')")
    play.send_flows(tcp_flow(CURL, WEB, 83))
    shown(page, 3)

    assert play.requests[-1].HasField("since")
    assert [row[3] for row in page.rows()] == ["83", "82", "81"]


def test_a_relay_that_is_away_is_told_with_the_remedy(page: Page, play: Play) -> None:
    play.refusal = (grpc.StatusCode.UNAVAILABLE, "no relay here")
    page.open("?namespace=default")

    page.wait("document.querySelector('.empty')?.textContent.includes('no relay here')")

    assert "kubectl -n kube-system get pod -l k8s-app=hubble-relay" in "".join(
        page.texts(".empty pre")
    )
    play.refusal = None
    page.wait("document.querySelector('.empty h2').textContent === 'No flows yet'", within_s=30)


def test_a_node_that_does_not_answer_is_named(page: Page, play: Play) -> None:
    play.away = ["k8s-w1"]
    page.open("?namespace=default")
    page.wait("document.querySelector('.status').textContent.includes('1/2 nodes')")

    page.find(".status").click()

    assert page.texts(".nodes .name") == ["k8s-ctr", "k8s-w1"]
    assert page.texts(".nodes .remedy") != []


def test_events_that_were_lost_are_told_with_where_and_why(page: Page, play: Play) -> None:
    page.open("?namespace=default")
    page.wait("document.querySelector('.empty h2')?.textContent === 'No flows yet'")
    lost = observer_pb2.GetFlowsResponse(node_name="k8s-w1")
    lost.lost_events.source = flow_pb2.HUBBLE_RING_BUFFER
    lost.lost_events.num_events_lost = 1234
    play.send(lost, answer_of(tcp_flow(CURL, WEB)))
    shown(page, 1)

    page.find(".status").click()

    (text,) = page.texts(".loss")
    assert text.startswith("1,234 events lost on the way to this page (k8s-w1): ")


def test_a_nodes_error_is_told_under_its_name(page: Page, play: Play) -> None:
    page.open("?namespace=default")
    page.wait("document.querySelector('.empty h2')?.textContent === 'No flows yet'")
    fault = observer_pb2.GetFlowsResponse()
    fault.node_status.state_change = relay_pb2.NODE_ERROR
    fault.node_status.node_names.append("k8s-w1")
    fault.node_status.message = "deadline exceeded"
    play.send(fault, answer_of(tcp_flow(CURL, WEB)))
    shown(page, 1)

    page.find(".status").click()

    page.wait("document.querySelector('.nodes').textContent.includes('deadline exceeded')")


def test_several_namespaces_and_all_of_them_can_be_chosen(page: Page, play: Play) -> None:
    page.open("?namespace=default")
    page.find(".picker").click()
    page.wait("document.querySelectorAll('.choices .choice').length === 3")

    page.find(".choices input[data-name='kube-system']").click()
    assert page.query == "?namespace=default,kube-system"
    page.find(".choices input[data-name='*']").click()
    assert page.query == "?namespace=*"
    page.press(Keys.ESCAPE)

    assert page.run("return document.activeElement.className") == "picker"


def test_what_talks_to_everybody_can_be_hidden(page: Page, play: Play) -> None:
    host = flow_pb2.Endpoint(identity=1, labels=["reserved:host"])
    play.send_flows(tcp_flow(CURL, WEB), tcp_flow(host, WEB, 8080))
    page.open("?namespace=default")
    shown(page, 2)

    page.find(".filter-bar > :last-child .picker").click()
    page.find("input[data-name='host']").click()

    shown(page, 1)
    assert page.query == "?namespace=default&hide=host"
    assert set(page.cards()) == {"curl-pod", "webpod"}


def test_verdicts_are_counted_and_chosen(page: Page, play: Play) -> None:
    play.send_flows(tcp_flow(CURL, WEB), tcp_flow(CURL, WEB, dropped=True))
    page.open("?namespace=default")
    shown(page, 2)

    assert page.texts(".verdict-switch.dropped") == ["Dropped1"]
    page.find(".verdict-switch.dropped").click()

    shown(page, 1)
    assert page.query == "?namespace=default&verdict=dropped"


def test_cards_that_stand_stay_when_another_comes(page: Page, play: Play) -> None:
    """Below it: nobody who looks for a card has to look for it again."""
    play.send_flows(*(tcp_flow(CURL, pod(f"web-{n}"), 80) for n in range(4)))
    page.open("?namespace=default")
    shown(page, 4)
    order = """
    return [...document.querySelectorAll('.canvas .card')].map((card) =>
        [card.querySelector('.title').textContent, card.getBoundingClientRect().top])
        .filter(([name]) => name.startsWith('web-')).sort((one, other) => one[1] - other[1])
        .map(([name]) => name);
    """
    before = page.run(order)

    play.send_flows(tcp_flow(CURL, pod("web-9"), 80))
    page.wait("document.querySelectorAll('.canvas .card').length === 6")

    after = page.run(order)
    assert [name for name in after if name != "web-9"] == before


def test_the_page_loads_nothing_from_elsewhere(page: Page, play: Play) -> None:
    play.send_flows(tcp_flow(CURL, WEB))
    page.open("?namespace=default")
    shown(page, 1)

    loaded = page.run("return performance.getEntriesByType('resource').map(({ name }) => name)")

    assert loaded
    assert [each for each in loaded if not each.startswith(page.url)] == []


def test_json_of_a_flow_is_that_of_hubble_observe(page: Page, play: Play) -> None:
    flow = recorded()[2]
    play.send(flow)
    page.open("?namespace=*")
    shown(page, 1)
    page.find(".sheet .row").click()
    # A browser gives its clipboard to nobody who is not asked: the text is shown then.
    page.run("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page.find(".details .actions button:last-child").click()

    text = page.find(".details textarea").get_property("value")

    assert json.loads(str(text))["source"]["pod_name"] == flow.flow.source.pod_name


def test_rates_fall_when_nothing_comes_any_more(page: Page, play: Play) -> None:
    page.open("?namespace=default")
    page.wait("document.querySelector('.empty h2')?.textContent === 'No flows yet'")
    play.send_flows(*(tcp_flow(CURL, WEB) for _ in range(50)))
    page.wait("document.querySelector('.link.live') !== null")

    page.wait("document.querySelector('.link.live') === null", within_s=20)


def test_the_page_works_under_a_prefix(page: Page, play: Play) -> None:
    play.send_flows(tcp_flow(CURL, WEB))
    with proxied(page.url) as url:
        under = Page(page.driver, url)
        under.open("?namespace=default")
        shown(under, 1)

        under.filter("port=80")
        shown(under, 1)

        loaded = under.run(
            "return performance.getEntriesByType('resource').map(({ name }) => name)"
        )
        assert [each for each in loaded if not each.startswith(url)] == []
        under.leave()

"""What pods, names and URLs are called harms nobody who looks at the page."""

import pytest
from tests.page.browser import Page
from tests.page.flows import pod, tcp_flow
from tests.page.played_observer import Play

from ciliate.flows.pb.flow import flow_pb2

HOSTILE = (
    "<img src=x onerror=\"document.title='owned'\">",
    "<script>document.title='owned'</script>",
    "</title><svg onload=document.title='owned'>",
    "'\"><a href=javascript:alert(1)>",
    "\x1b[31mred\x1b]0;owned\x07",
    "safe\u202egnp.exe\u2069",
    "zero\u200bwidth\u2060",
    "line\nbreak\r\x00nul\u2028",
    "{{constructor.constructor('document.title=1')()}}",
    "__proto__",
    "constructor",
    "%3Cb%3E&lt;b&gt;",
    "אבגד",
    "x" * 5000,
)

#: As controls, marks of direction and of no width are shown.
VISIBLE = {
    HOSTILE[4]: "^[[31mred^[]0;owned\\x07",
    HOSTILE[5]: "safe\\u202egnp.exe\\u2069",
    HOSTILE[6]: "zero\\u200bwidth\\u2060",
    HOSTILE[7]: "line\\nbreak\\r\\x00nul\\u2028",
}


def hostile_flow(name: str) -> flow_pb2.Flow:
    """Return a flow in which every text is hostile."""
    end = pod(name, name)
    end.labels.append(f"k8s:app={name}")
    end.workloads.add(name=name, kind=name)
    end.cluster_name = name
    flow = tcp_flow(end, pod("webpod"))
    flow.node_name, flow.Summary, flow.uuid = name, name, name
    flow.destination_service.name, flow.destination_service.namespace = name, name
    flow.destination_names.append(name)
    flow.l7.http.url, flow.l7.http.method, flow.l7.http.code = name, name, 200
    flow.l7.http.headers.add(key=name, value=name)
    flow.IP.source, flow.interface.name = name, name
    flow.file.name = name
    flow.ingress_allowed_by.add(name=name, namespace=name, kind=name)
    return flow


def nothing_happened(page: Page) -> None:
    """Nothing that a name brings became an element, ran, or went out."""
    made = page.run(
        """
        const strange = document.querySelectorAll(
            "#page img, #page script, #page a, #page iframe, #page b, #page [onerror], #page [onload]");
        return [strange.length, document.title.includes("owned"),
            performance.getEntriesByType("resource").filter(({ name }) => !name.startsWith(args[0])).length];
    """,
        page.url,
    )
    assert made == [0, False, 0]


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: ascii(name)[:24])
def test_hostile_texts_are_shown_and_nothing_more(page: Page, play: Play, name: str) -> None:
    play.namespaces.append(name)
    play.send_flows(hostile_flow(name), tcp_flow(pod("curl-pod"), pod("webpod")))
    page.open("?namespace=*")
    page.wait("document.querySelector('.grid').ariaRowCount === '3'")
    page.run("document.querySelectorAll('.sheet .row')[1].click()")
    page.wait("document.querySelector('.details dl') !== null")
    page.run("document.querySelector('.picker').click()")
    page.run("document.querySelector('.status').click()")

    shown = VISIBLE.get(name, name)[:2000]
    assert any(shown[:60] in text for text in page.texts(".details .text"))
    assert any(row[1].startswith(shown[:60]) for row in page.rows())
    assert any(text.startswith(shown[:60]) for text in page.texts(".choices label span"))
    assert len(page.cards()) == 3
    nothing_happened(page)


def test_marks_of_direction_reach_no_element(page: Page, play: Play) -> None:
    play.send_flows(*(hostile_flow(name) for name in HOSTILE))
    page.open("?namespace=*")
    page.wait("document.querySelector('.grid').ariaRowCount === String(args[0] + 1)", len(HOSTILE))

    html = page.run("return document.documentElement.outerHTML")

    unsafe = [
        f"\\u{ord(each):04x}" for each in html if each in "\x1b\x00\u202e\u2069\u200b\u2060\u2028"
    ]
    assert unsafe == []


@pytest.mark.parametrize(
    "query",
    [
        "?namespace=<img src=x onerror=alert(1)>",
        "?namespace=*&pod=<svg onload=alert(1)>",
        "?namespace=*&<b>=1",
        "?namespace=*&hide=__proto__&view=constructor",
        "?namespace=*&__proto__=x&toString=y",
        "?namespace=*" + "&port=80" * 500,
        "?namespace=" + ",".join(f"n{n}" for n in range(500)),
        "?%ff=%00&namespace=%E2%80%AE",
    ],
)
def test_a_hostile_address_is_an_address_and_nothing_more(page: Page, query: str) -> None:
    page.open(query)
    page.wait("document.querySelector('.filter-bar') !== null")

    nothing_happened(page)

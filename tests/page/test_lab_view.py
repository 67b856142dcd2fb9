"""The lab's view: machines and pods as they stand, a way over them, and all of it in the address."""

import copy
from typing import Any

from selenium.webdriver.common.keys import Keys
from tests.page.browser import Page
from tests.page.flows import pod, tcp_flow
from tests.page.played_lab import PlayedLab, recorded
from tests.page.played_observer import Play

ASK = "?view=lab&from=default/curl-pod&to="
CURL = "default/curl-pod"
WEB = "default/webpod-6c6868c698-wqz2k"

#: Which step is chosen in the list, and which marks of the picture say so.
CHOSEN = """
const of = (selector) => [...document.querySelectorAll(selector)].map((e) => e.dataset.step);
return { rows: of(".step.now"), marks: [...new Set(of(".mark.now"))] };
"""


def remote(lab: Any) -> str:
    """When the way to the other node's pod began."""
    ways = lab["ways"]["webpod:80"]["ways"]
    found: str = next(each["began"] for each in ways if each["backend"]["name"] == WEB)
    return found


def still(page: Page) -> None:
    page.prefer("prefers-reduced-motion", "reduce")


def test_machines_links_and_pods_are_drawn(lab: Page) -> None:
    lab.open("?view=lab")

    lab.wait("document.querySelectorAll('.machine').length === 3")
    assert lab.texts(".machine-name") == ["router", "k8s-ctr", "k8s-w1"]
    assert any("eth1192.168.10.100" in text for text in lab.texts(".device"))
    assert any("203.0.113.10" in text for text in lab.texts(".chip-card text"))
    assert {"curl-pod", "webpod-6c6868c698-wqz2k"} <= set(lab.texts(".slot.pod .slot-name"))
    assert "kube-apiserver-k8s-ctr" in lab.texts(".host-pod text")


def test_pods_come_and_go_while_somebody_looks(lab: Page, played: PlayedLab) -> None:
    lab.open("?view=lab")
    lab.wait("document.querySelectorAll('.slot.pod').length > 0")
    changed = recorded()
    pods = changed["picture"]["machines"][2]["pods"]
    pods[:] = [each for each in pods if each["name"] != WEB]
    pods.append({"name": "default/newcomer", "addresses": ["10.244.1.77"], "phase": "Pending"})

    played.change(changed)

    lab.wait("document.querySelector('[data-pod=\"default/newcomer\"].pending') !== null")
    lab.wait(f"document.querySelector('[data-pod=\"{WEB}\"]') === null")


def test_way_is_drawn_with_its_hops_and_told_in_words(lab: Page) -> None:
    lab.open(f"{ASK}webpod:80&way={remote(recorded())}&step=4")

    lab.wait("document.querySelectorAll('.step').length === 7")
    assert lab.texts(".hops h3 span:last-child") == [
        "the socket's call",
        "SYN",
        "SYN, ACK",
        "the socket's peer",
    ]
    assert lab.run(CHOSEN) == {"rows": ["4"], "marks": ["4"]}
    assert lab.texts(".track.now .line") == [""]
    header = lab.texts(".player .header")[0]
    assert header.startswith("SYN10.244.")
    # The socket's translation stands in the pod's card.
    assert any(":80→ 10.244." in text for text in lab.texts(".slot.lit .note-text"))


def test_arrows_and_clicks_go_from_hop_to_hop(lab: Page) -> None:
    still(lab)
    lab.open(f"{ASK}webpod:80&way={remote(recorded())}&step=1")
    lab.wait("document.querySelectorAll('.step.now').length === 1")

    lab.press(Keys.ARROW_RIGHT)
    assert lab.run(CHOSEN) == {"rows": ["2"], "marks": ["2"]}
    lab.find(".journey .mark[data-step='6']").click()
    assert lab.run(CHOSEN) == {"rows": ["6"], "marks": ["6"]}
    assert lab.query.endswith("&step=6")
    lab.find(".step[data-step='3']").click()
    assert lab.run(CHOSEN) == {"rows": ["3"], "marks": ["3"]}
    lab.press(Keys.ESCAPE)
    assert lab.run(CHOSEN) == {"rows": [], "marks": []}


def test_a_new_way_is_played_to_its_end(lab: Page) -> None:
    lab.open(f"{ASK}203.0.113.10:80")

    lab.wait("document.querySelector('.packet').getAttribute('visibility') === 'visible'")
    lab.wait("new URLSearchParams(location.search).get('step') === '2'")
    lab.wait("document.querySelector('.player .turn').title.startsWith('Play')")


def test_who_wants_nothing_to_move_sees_nothing_move(lab: Page) -> None:
    still(lab)

    lab.open(f"{ASK}203.0.113.10:80")

    lab.wait("document.querySelectorAll('.step').length === 2")
    assert lab.query == f"{ASK}203.0.113.10:80"
    running = (
        "return document.getAnimations().filter((each) => each.playState === 'running').length"
    )
    assert lab.run(running) == 0


def test_drop_has_a_red_mark_and_says_why_and_what_helps(lab: Page) -> None:
    lab.open(f"{ASK}203.0.113.10:81")

    lab.find(".journey .mark.dropped")
    assert lab.texts(".way .outcome") == ["dropped"]
    why, behind, remedy = lab.texts(".cause dd")
    assert "an address that is not its own (from_pod.bpf.c:" in why
    assert "enable-source-ip-verification" in behind
    assert "send from the pod's own address" in remedy


def test_two_clicks_in_the_picture_choose_a_connection(lab: Page, played: PlayedLab) -> None:
    known = recorded()
    known["ways"][WEB] = known["ways"]["webpod:80"]
    played.change(known)
    still(lab)
    lab.open("?view=lab")

    lab.find(f"[data-pod='{CURL}']").click()
    lab.wait("document.querySelector('.lately h2').textContent.endsWith('curl-pod')")
    lab.find(f"[data-pod='{WEB}']").click()

    lab.wait("document.querySelectorAll('.step').length > 0")
    assert lab.query.startswith(f"{ASK}{WEB}")


def test_destination_is_completed_and_asked_for(lab: Page) -> None:
    still(lab)
    lab.open("?view=lab&from=default/curl-pod")
    lab.wait("document.querySelectorAll('.slot.pod').length > 0")

    box = lab.find("input[aria-label='The destination']")
    box.click()
    box.send_keys("203.0")
    lab.wait("document.querySelectorAll('.completion:not([hidden]) li').length === 1")
    box.send_keys(Keys.ARROW_DOWN, Keys.ENTER)

    lab.wait("document.querySelectorAll('.step').length === 2")
    assert lab.query == f"{ASK}203.0.113.10:80"


def test_what_cannot_be_asked_for_is_said(lab: Page) -> None:
    lab.open(f"{ASK}nobody:80")

    lab.wait("document.querySelector('.lab-side .note.fault') !== null")
    assert lab.texts(".lab-side > .note") == ["nobody is called nobody:80"]
    # A refusal is an answer of HTTP, of which a browser tells, too.
    assert any("422" in each for each in lab.complaints())


def test_back_shows_the_connection_before(lab: Page) -> None:
    still(lab)
    lab.open(f"{ASK}203.0.113.10:80")
    lab.wait("document.querySelectorAll('.step').length === 2")
    box = lab.find("input[aria-label='The destination']")
    box.send_keys(Keys.CONTROL, "a")
    box.send_keys("10.10.1.200:80", Keys.ENTER)
    lab.wait("document.querySelector('.slot.network.lit, .journey .track') !== null")
    lab.wait("location.search.includes('10.10.1.200')")

    lab.driver.back()

    lab.wait("document.querySelector('.ends').textContent.includes('203.0.113.10:80')")
    assert box.get_attribute("value") == "203.0.113.10:80"


def test_flow_of_a_pod_leads_to_its_way(lab: Page, play: Play) -> None:
    still(lab)
    flow = tcp_flow(pod("curl-pod"), pod("web"))
    flow.IP.destination = "203.0.113.10"
    play.send_flows(flow)
    lab.open("?namespace=default")
    lab.wait("document.querySelectorAll('.sheet .row:not([hidden])').length === 1")

    lab.find(".sheet .row").click()
    lab.wait(
        "[...document.querySelectorAll('.details button')].some((e) => e.textContent === 'Show in the lab')"
    )
    lab.run(
        "[...document.querySelectorAll('.details button')]"
        ".find((e) => e.textContent === 'Show in the lab').click()"
    )

    lab.wait("document.querySelectorAll('.step').length === 2")
    assert "view=lab" in lab.query
    assert "from=default/curl-pod&to=203.0.113.10:80&over=tcp" in lab.query


def test_hostile_names_are_text(lab: Page, played: PlayedLab) -> None:
    hostile = copy.deepcopy(recorded())
    name = "default/<img src=x onerror=alert(1)>\u202e\x1b[31m"
    hostile["picture"]["machines"][1]["pods"].append(
        {"name": name, "addresses": ["10.244.0.66"], "phase": "Running"}
    )
    way = hostile["ways"]["203.0.113.10:80"]["ways"][0]
    way["packets"][0]["hops"][0]["text"] = "</span><script>alert(1)</script>\u202e"
    way["remarks"] = ["<b>`<i>`\u2066"]
    played.change(hostile)

    lab.open(f"{ASK}203.0.113.10:80")

    lab.wait("document.querySelectorAll('.step').length === 2")
    text = lab.run("return document.querySelector('#page').textContent")
    assert not {"\u202e", "\x1b", "\u2066"} & set(text)
    assert "\\u202e" in text
    inside = "return document.querySelectorAll('#page img, #page script, #page b, #page i').length"
    assert lab.run(inside) == 0


def test_small_screen_has_the_picture_over_the_hops(lab: Page) -> None:
    still(lab)
    lab.driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": False},
    )
    lab.open(f"{ASK}webpod:80&way={remote(recorded())}&step=4")
    lab.wait("document.querySelectorAll('.step.now').length === 1")

    boxes = lab.run(
        "const of = (s) => document.querySelector(s).getBoundingClientRect();"
        "return [of('.lab-picture').bottom, of('.lab-side').top, document.body.scrollWidth,"
        " of('.journey .mark.now').left, of('.journey .mark.now').top, of('.lab-picture').top]"
    )

    bottom, top, width, mark_x, mark_y, picture_top = boxes
    assert bottom <= top
    assert width <= 390
    assert 0 <= mark_x <= 390
    assert picture_top <= mark_y <= bottom


def test_page_of_a_cluster_has_no_such_view(page: Page) -> None:
    page.open("?view=lab")

    page.wait("document.querySelector('.empty h2') !== null")
    assert page.run("return document.querySelector('nav').hidden") is True

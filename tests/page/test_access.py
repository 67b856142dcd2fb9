"""The page without a mouse, on a small screen, for who sees little, in both themes."""

import pytest
from selenium.webdriver.common.keys import Keys
from tests.page.browser import Page, resize
from tests.page.flows import pod, recorded, tcp_flow
from tests.page.played_observer import Play

#: Texts whose colour is too near to that of their ground (WCAG 2.2, 1.4.3: 4.5 to 1).
FAINT = """
const channel = (value) => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
const bright = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const parse = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
const ground = (element) => {
  for (let each = element; each; each = each.parentElement) {
    const colour = parse(getComputedStyle(each).backgroundColor);
    if (colour.length === 3 || colour[3] === 1) return colour;
  }
  return [255, 255, 255];
};
const cardGround = parse(getComputedStyle(document.querySelector(".card .body")).fill);
const found = new Set();
for (const element of document.querySelectorAll("#page *")) {
  const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  if (!own || element.closest("[hidden], title")) continue;
  const style = getComputedStyle(element), inMap = element.closest(".card, .band");
  const one = bright(parse(inMap ? style.fill : style.color)), other = bright(inMap ? cardGround : ground(element));
  const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
  if (contrast < 4.5) found.add(`${element.className.baseVal ?? element.className} ${contrast.toFixed(2)}`);
}
return [...found];
"""


@pytest.fixture
def full(page: Page, play: Play) -> Page:
    """The page with all it can show: flows, a chosen one, words."""
    play.send(*recorded())
    page.open("?namespace=*&not-port=9")
    page.wait("document.querySelectorAll('.canvas .card').length > 5")
    page.run("document.querySelector('.sheet .row').click()")
    page.wait("document.querySelector('.details dl') !== null")
    return page


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_texts_can_be_read_in_both_themes(full: Page, theme: str) -> None:
    full.prefer("prefers-color-scheme", theme)
    full.wait("document.documentElement.dataset.theme === args[0]", theme)
    full.find("input.words").send_keys("po")
    full.wait("document.querySelectorAll('.completion li').length > 2")

    assert full.run(FAINT) == []


def test_a_theme_that_was_chosen_is_remembered(page: Page) -> None:
    page.open()
    page.find("header .icon-button").click()
    assert page.run("return document.documentElement.dataset.theme") == "light"

    page.open("?namespace=default")

    page.wait("document.documentElement.dataset.theme === 'light'")


def test_everything_has_a_name_for_who_cannot_see_it(full: Page) -> None:
    script = """
    const unnamed = [...document.querySelectorAll("button, input, [role=button], [role=grid], aside, nav, section")]
        .filter((each) => !each.closest("[hidden], dl") && !each.ariaLabel && !each.textContent.trim()
            && !each.closest("label"));
    return unnamed.map((each) => each.outerHTML.slice(0, 120));
    """

    assert full.run(script) == []


def test_the_map_is_walked_by_keys(page: Page, play: Play) -> None:
    play.send_flows(tcp_flow(pod("curl-pod"), pod("webpod", identity=5)))
    page.open("?namespace=default")
    page.wait("document.querySelectorAll('.canvas .card').length === 2")
    page.run("document.querySelector('.card[aria-label^=curl-pod]').focus()")

    page.press(Keys.ARROW_RIGHT)
    page.wait("document.activeElement.getAttribute('aria-label').startsWith('webpod')")
    page.press(Keys.ENTER)

    page.wait("location.search === '?namespace=default&identity=5'")


def test_the_table_is_read_by_keys(page: Page, play: Play) -> None:
    web = pod("webpod")
    play.send_flows(*(tcp_flow(pod("curl-pod"), web, port) for port in range(1, 101)))
    page.open("?namespace=default")
    page.wait("document.querySelector('.grid').ariaRowCount === '101'")
    page.run("document.querySelector('.grid').focus()")

    page.press(*[Keys.ARROW_DOWN] * 3)
    page.wait("document.querySelector('.row.chosen .port')?.textContent === '98'")
    page.wait("document.querySelector('.details dl') !== null")
    page.press(Keys.ESCAPE)
    page.wait("document.querySelector('.row.chosen') === null")

    assert page.run("return document.querySelector('.newer').hidden || true")


def test_every_control_is_reached_by_tab(full: Page) -> None:
    full.run("document.activeElement.blur()")
    seen = set()
    for _ in range(60):
        full.press(Keys.TAB)
        seen.update(full.run("return [...document.activeElement.classList]"))

    assert {"status", "picker", "words", "card", "grid", "splitter"} <= seen


@pytest.mark.parametrize("width", [360, 390, 768, 1100])
def test_a_small_screen_shows_all_of_it(page: Page, play: Play, width: int) -> None:
    resize(page.driver, width, 760)
    play.send(*recorded())
    page.open("?namespace=*&pod=shop/frontend-698499b4c7-qklq2")
    page.wait("document.querySelectorAll('.sheet .row').length > 2")
    page.run("document.querySelector('.sheet .row').click()")
    page.wait("document.querySelector('.details dl') !== null")

    wide = page.run("""
        const beyond = [...document.querySelectorAll("header *, .filter-bar > *, .map, .table, .details, .details *")]
            .filter((each) => !each.closest("[hidden]") && each.getBoundingClientRect().right > innerWidth + 1);
        return beyond.map((each) => String(each.className.baseVal ?? each.className));
    """)
    assert wide == []
    assert page.run("return document.querySelector('.map').clientHeight") >= 100


def test_who_wants_no_motion_sees_none(page: Page, play: Play) -> None:
    page.prefer("prefers-reduced-motion", "reduce")
    play.send_flows(*(tcp_flow(pod("curl-pod"), pod("webpod")) for _ in range(20)))
    page.open("?namespace=default")
    page.wait("document.querySelector('.link.live') !== null")

    assert page.run("return document.getAnimations().length") == 0

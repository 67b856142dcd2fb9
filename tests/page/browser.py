"""Chromium without a screen, and the page in it as tests look at it."""

import contextlib
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from selenium.webdriver import ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from tests.deadlines import Deadline

DRIVER: Final = "chromedriver"
_FLAGS: Final = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
    *(
        "--no-first-run",
        "--disable-extensions",
        "--disable-sync",
        "--disable-background-networking",
    ),
    "--disable-component-update",
    # For figures of memory that are exact.
    *("--enable-blink-features=ForceEagerMeasureMemory", "--js-flags=--expose-gc"),
)

#: Runs a body with `load`, which imports a module of the page; its result or its error comes back.
_RUN: Final = """
const done = arguments[arguments.length - 1], given = [...arguments].slice(0, -1);
const load = (path) => import(new URL(path, document.baseURI));
(async (args) => { BODY })(given).then((value) => done({ value }),
    (error) => done({ error: String(error.stack || error) }));
"""


class PageError(AssertionError):
    """A script in the page failed."""


@contextlib.contextmanager
def chromium(*, width: int = 1440, height: int = 900) -> Iterator[WebDriver]:
    """Start a browser of its own, for as long as it is used."""
    options = ChromeOptions()
    for flag in (*_FLAGS, f"--window-size={width},{height}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = WebDriver(options=options, service=Service(shutil.which(DRIVER)))
    try:
        driver.set_script_timeout(60)
        resize(driver, width, height)
        yield driver
    finally:
        driver.quit()


def resize(driver: WebDriver, width: int, height: int) -> None:
    """Give the page so many pixels."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


@dataclass(frozen=True, slots=True)
class Page:
    """The page at an address."""

    driver: WebDriver
    url: str

    def open(self, query: str = "") -> None:
        """Open it as a link to it would."""
        self.driver.get(f"{self.url}/{query}")

    def leave(self) -> None:
        """Close what it has open."""
        self.driver.get("about:blank")

    def forget(self) -> None:
        """Begin as a browser that was never here, on a desk, in the dark."""
        self.complaints()
        origin = {"origin": self.url, "storageTypes": "local_storage"}
        self.driver.execute_cdp_cmd("Storage.clearDataForOrigin", origin)
        resize(self.driver, 1440, 900)
        self.prefer("prefers-color-scheme", "dark")

    def prefer(self, feature: str, value: str) -> None:
        """Set what the machine prefers, as CSS asks for it."""
        features = [{"name": feature, "value": value}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def run(self, body: str, *args: Any) -> Any:
        """Return what a script returns; it has `args` and `load(path of a module)`.

        Raises:
            PageError: It throws.
        """
        found = self.driver.execute_async_script(_RUN.replace("BODY", body), *args)
        if "error" in found:
            raise PageError(found["error"])
        return found.get("value")

    def wait(self, expression: str, *args: Any, within_s: float = 10) -> Any:
        """Wait until an expression of JavaScript is true; return what it is.

        Raises:
            PageError: It is not in time.
        """
        deadline = Deadline(within_s)
        while not (found := self.run(f"return {expression}", *args)):
            if deadline.passed:
                text = self.run("return document.body.innerText")
                raise PageError(f"never true: {expression}\n{text[:3000]}")
            time.sleep(0.05)  # Of another process's work there is no event.
        return found

    def texts(self, selector: str) -> list[str]:
        """Return the texts of what is shown."""
        script = (
            "return [...document.querySelectorAll(args[0])]"
            ".filter((e) => !e.closest('[hidden]')).map((e) => e.textContent)"
        )
        found: list[str] = self.run(script, selector)
        return found

    def find(self, selector: str) -> WebElement:
        """Return an element, which has to be there."""
        self.wait("document.querySelector(args[0]) !== null", selector)
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def press(self, *keys: str) -> None:
        """Press keys, wherever the focus is; text is typed."""
        self.driver.switch_to.active_element.send_keys(*keys)

    def filter(self, text: str) -> None:
        """Type a word into the box of filters."""
        box = self.find("input.words")
        box.click()
        box.send_keys(text, Keys.ENTER)

    @property
    def query(self) -> str:
        """What the address has behind its path."""
        return str(self.run("return location.search"))

    def rows(self) -> list[list[str]]:
        """Return the rows that are drawn, the newest first, cell by cell."""
        script = """
        const rows = [...document.querySelectorAll('.sheet .row')].filter((row) => !row.hidden);
        rows.sort((one, other) => one.ariaRowIndex - other.ariaRowIndex);
        return rows.map((row) => [...row.children].map((cell) => cell.textContent));
        """
        found: list[list[str]] = self.run(script)
        return found

    def cards(self) -> dict[str, str]:
        """Return the titles of the map's cards -> what else each says."""
        script = """
        return [...document.querySelectorAll('.canvas .card')].map((card) =>
            [card.querySelector('.title').textContent, card.getAttribute('aria-label')]);
        """
        return dict(self.run(script))

    def complaints(self) -> list[str]:
        """Return what the browser complained of since the last time: errors, broken policies."""
        logged = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        return [each["message"] for each in logged if each["level"] in ("SEVERE", "WARNING")]

"""What Prometheus reads from an operator that runs, as one number a series."""

import asyncio
from pathlib import Path

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

Key = tuple[str, tuple[tuple[str, str], ...]]
Series = dict[Key, float]

DEADLINE_S = 10.0


def _read(text: str) -> Series:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def scrape(path: Path | None, url: str = "http://operator/metrics") -> Series:
    """Return the series of an operator's socket, or nothing while it does not listen."""
    connector = aiohttp.UnixConnector(str(path)) if path else aiohttp.TCPConnector()
    try:
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get(url) as found,
        ):
            return _read(await found.text())
    except OSError:
        return {}


async def until_series(path: Path, key: Key, value: float) -> Series:
    found: Series = {}
    try:
        async with asyncio.timeout(DEADLINE_S):
            while (found := await scrape(path)).get(key) != value:
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"{key} is not {value} within {DEADLINE_S} s: {found}") from None
    return found

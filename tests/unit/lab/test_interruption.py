"""Commands that are told to end while they work."""

import asyncio
import os
import signal
import threading
from collections.abc import Iterator

import pytest

from ciliate.lab.interruption import signals_noted

EXIT_CODES = {signal.SIGTERM: 143, signal.SIGHUP: 129}


@pytest.fixture(autouse=True)
def heeded() -> Iterator[None]:
    """Signals as a program in the foreground finds them, wherever the tests run."""
    former = {number: signal.signal(number, signal.SIG_DFL) for number in EXIT_CODES}
    former[signal.SIGINT] = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in former.items():
        signal.signal(number, handler)


def receive(number: int) -> None:
    os.kill(os.getpid(), number)


async def for_ever() -> None:
    await asyncio.get_running_loop().create_future()


def test_work_that_nobody_ends_gives_its_result() -> None:
    async def work() -> int:
        return 7

    with signals_noted() as noted:
        assert noted.run(work) == 7


@pytest.mark.parametrize("number", EXIT_CODES)
def test_signal_ends_the_work_with_a_shells_exit_code(number: signal.Signals) -> None:
    async def work() -> None:
        receive(number)
        await for_ever()

    with signals_noted() as noted, pytest.raises(SystemExit) as ended:
        noted.run(work)

    assert ended.value.code == EXIT_CODES[number]


def test_signal_wakes_a_loop_that_waits() -> None:
    ours = threading.get_ident()

    async def work() -> None:
        asyncio.get_running_loop().run_in_executor(None, signal.pthread_kill, ours, signal.SIGINT)
        await for_ever()

    with signals_noted() as noted, pytest.raises(KeyboardInterrupt):
        noted.run(work)


def test_only_the_first_signal_counts_and_none_breaks_what_clears_up() -> None:
    cleared: list[str] = []

    async def work() -> None:
        receive(signal.SIGINT)
        try:
            await for_ever()
        finally:
            receive(signal.SIGINT)
            receive(signal.SIGTERM)
            await asyncio.to_thread(cleared.append, "made")

    with signals_noted() as noted:
        with pytest.raises(KeyboardInterrupt):
            noted.run(work)
        receive(signal.SIGINT)

    assert cleared == ["made"]


def test_signal_counts_before_the_work_begins() -> None:
    async def work() -> None:
        raise AssertionError

    with signals_noted() as noted:
        receive(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            noted.run(work)


def test_signal_counts_whatever_became_of_the_work() -> None:
    async def succeeds() -> int:
        receive(signal.SIGINT)
        return 7

    async def fails() -> int:
        receive(signal.SIGINT)
        raise OSError

    for work in (succeeds, fails):
        with signals_noted() as noted, pytest.raises(KeyboardInterrupt):
            noted.run(work)


def test_ignored_signal_stays_ignored() -> None:
    async def work() -> int:
        receive(signal.SIGINT)
        return 7

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with signals_noted() as noted:
        assert noted.run(work) == 7


def test_handlers_are_what_they_were_afterwards() -> None:
    with signals_noted():
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler

    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL

"""The calls of a plugin, with a coreutils program in its place; namespaces are not entered."""

from pathlib import Path

import pytest
from benchmarks.invocation import Caller, CallError, Order


def order(program: str, *, pods: int, parallel: int) -> Order:
    return Order(
        program=program,
        configuration="{}",
        environment={"CNI_ARGS": "K8S_POD_NAME=bench-{pod}"},
        container_prefix="c",
        pods=pods,
        parallel=parallel,
    )


@pytest.mark.parametrize("parallel", [1, 3, 8])
def test_every_pod_is_called_once_however_many_at_a_time(parallel: int) -> None:
    durations = Caller(order("/bin/true", pods=5, parallel=parallel), "ADD", [""] * 5).run()

    assert len(durations) == 5
    assert all(duration > 0 for duration in durations)


def test_a_call_gets_cni_variables_of_its_pod(tmp_path: Path) -> None:
    plugin = tmp_path / "plugin"
    plugin.write_text("#!/bin/sh\nenv >&2\ncat\nexit 3\n")
    plugin.chmod(0o700)

    with pytest.raises(CallError) as failed:
        Caller(order(str(plugin), pods=1, parallel=1), "DEL", ["/run/netns/one"]).run()

    assert failed.value.code == 3
    for fact in (
        "CNI_COMMAND=DEL",
        "CNI_CONTAINERID=c0",
        "K8S_POD_NAME=bench-0",
        "/netns/one",
        "{}",
    ):
        assert fact in failed.value.text


def test_a_failed_call_ends_the_measurement() -> None:
    with pytest.raises(CallError, match="CNI ADD of pod 0 ended with 1"):
        Caller(order("/bin/false", pods=4, parallel=1), "ADD", [""] * 4).run()

"""src/ciliate/datapath/probes.py on the running kernel."""

import os
import subprocess

import pytest

from ciliate.datapath import probes
from ciliate.datapath.probes import Support

NOBODY = 65534


@pytest.mark.parametrize("probe", [probes.tcx, probes.fib_skip_neigh, probes.coarse_clock])
def test_root_gets_a_definite_answer(probe: object) -> None:
    assert callable(probe)
    assert probe() in {Support.SUPPORTED, Support.UNSUPPORTED}


def test_tcx_is_found_where_the_kernel_has_its_symbols() -> None:
    symbols = subprocess.run(
        ["grep", "-c", " tcx_link_attach$", "/proc/kallsyms"],
        check=False,
        capture_output=True,
        text=True,
    )
    expected = Support.SUPPORTED if int(symbols.stdout) else Support.UNSUPPORTED
    assert probes.tcx() is expected


def test_without_rights_nothing_is_claimed() -> None:
    child = os.fork()
    if not child:  # In a child: rights once given up do not come back.
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        answers = {probes.tcx(), probes.fib_skip_neigh(), probes.coarse_clock()}
        os._exit(0 if answers == {Support.INCONCLUSIVE} else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_atomics_and_loops_are_found_on_the_kernels_that_tests_run_on() -> None:
    """6.1 and newer, which all have both; an older one must say what it lacks."""
    assert probes.atomics() is Support.SUPPORTED
    assert probes.loop() is Support.SUPPORTED

"""src/ciliate/datapath/features.py on the running kernel, and against the compiled programs."""

import errno
import re
import subprocess
from pathlib import Path

from ciliate.datapath.datapath import OBJECTS
from ciliate.datapath.errors import LoadError
from ciliate.datapath.features import HELPERS, KernelFeatureError, NeededHelper, explained

REFUSAL = LoadError(
    function="bpf_object__load", path=Path("from_pod.bpf.o"), code=errno.EINVAL, log="the log"
)
#: Helpers that have a substitute, chosen by a probe; and the last one of Linux 4.15.
OPTIONAL = {160, 181, 187}
OLD = 60


def test_refusal_that_has_another_cause_stays_what_it_is() -> None:
    assert explained(REFUSAL) is REFUSAL


def test_missing_helper_is_named_with_the_kernel_that_brought_it() -> None:
    unborn = NeededHelper("bpf_of_the_future", "99.1", 9999)

    error = explained(REFUSAL, (*HELPERS, unborn))

    assert isinstance(error, KernelFeatureError)
    assert error.lacking == ("bpf_of_the_future",)
    assert "lacks bpf_of_the_future (since Linux 99.1): take a newer one" in str(error)


def test_every_newer_helper_that_programs_call_is_known() -> None:
    called: set[int] = set()
    for path in OBJECTS.glob("*.bpf.o"):
        done = subprocess.run(
            ["llvm-objdump", "-d", path], capture_output=True, text=True, check=True
        )
        # 85 with register 0: a helper of the kernel; with 1, a function of the program's own.
        called |= {
            int(number, 0)
            for number in re.findall(r"\t85 00 .*\tcall (\w+)$", done.stdout, re.MULTILINE)
        }

    assert {n for n in called if n > OLD} - OPTIONAL == {each.number for each in HELPERS}

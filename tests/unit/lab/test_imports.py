import gc
import os
import subprocess
import sys

import pytest

from ciliate.lab.imports import import_all

#: Imports aiohttp, then says how many authorities it has read, and whether it would read some.
_COUNT = """
import os, ssl
from ciliate.lab.imports import import_all
import_all(["ciliate.kube.client"])
import aiohttp.connector
print(len(aiohttp.connector._SSL_CONTEXT_VERIFIED.get_ca_certs()))
print(len(ssl.create_default_context().get_ca_certs()))
"""


def test_authorities_of_the_system_are_not_read_by_an_import() -> None:
    counted = subprocess.run(
        [sys.executable, "-c", _COUNT], capture_output=True, text=True, check=True
    )
    read, there = map(int, counted.stdout.split())

    assert read == 0
    if there == 0:
        pytest.skip("this machine has no certificate authorities")


def test_imports_leave_collector_and_environment_as_they_were(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/somewhere")

    import_all(["ciliate.errors"])

    assert gc.isenabled()
    assert os.environ["SSL_CERT_FILE"] == "/somewhere"


def test_failed_import_leaves_collector_and_environment_as_they_were(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)

    with pytest.raises(ModuleNotFoundError):
        import_all(["ciliate.nowhere"])

    assert gc.isenabled()
    assert "SSL_CERT_FILE" not in os.environ

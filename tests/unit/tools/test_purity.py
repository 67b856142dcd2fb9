"""`tools/purity.py`: each kind of breach is planted once, in a copy of a real module, and seen."""

from pathlib import Path

import pytest
from tools.purity import (
    NOT_PURE,
    PURE,
    TRUSTED,
    breaches,
    breaches_in,
    is_pure,
    is_pure_module,
    module_name,
)

SOURCE = Path(__file__).parents[3] / "src"
MODULES = {module_name(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.py")}

#: A line that a pure module must not have, and what is said of it.
PLANTED = [
    ("import asyncio", "asyncio"),
    ("import os", "os"),
    ("import socket", "socket"),
    ("from subprocess import run", "subprocess"),
    ("from pathlib import Path", "pathlib"),
    ("import logging", "logging"),
    ("import threading", "threading"),
    ("import sys", "sys"),
    ("import shutil, re", "shutil"),
    ("from urllib.request import urlopen", "urllib.request"),
    ("from urllib import request", "urllib"),
    ("import time", "time"),
    ("from time import monotonic", "time"),
    ("import random", "random"),
    ("import secrets", "secrets"),
    ("import uuid", "uuid"),
    ("import ctypes", "ctypes"),
    ("import aiohttp", "aiohttp"),
    ("from ciliate.kube.client import ApiClient", "ciliate.kube.client"),
    ("from ciliate import kube", "ciliate.kube"),
    ("from ciliate.datapath import bpf_map", "ciliate.datapath.bpf_map"),
    ("from ciliate.netlink.client import Rtnetlink", "ciliate.netlink.client"),
    ("import ciliate.netlink.routes", "ciliate.netlink.routes"),
    # Each of these leads to an adapter, by one step more.
    ("from ciliate.identity.registry import IdentityRegistry", "ciliate.identity.registry"),
    ("from ciliate.routing.target import RouteTarget", "ciliate.routing.target"),
    ("from ciliate.api.definitions import definition_files", "ciliate.api.definitions"),
    ("from . import slots", "relative"),
    ("if __debug__:\n    import time", "time"),
    ("def late() -> None:\n    import time", "time"),
    ("MOMENT = datetime.now(UTC)", "datetime.now"),
    ("MOMENT = date.today()", "date.today"),
    ("TEXT = open('/etc/hosts').read()", "open()"),
    ("print('here')", "print()"),
    ("async def wait() -> None: ...", "coroutine"),
]


def test_tree_has_no_breach() -> None:
    assert list(breaches(SOURCE)) == []


@pytest.mark.parametrize("module", ["ciliate/ipam/node.py", "ciliate/routing/plan.py"])
@pytest.mark.parametrize(("line", "named"), PLANTED)
def test_planted_breach_is_named_with_its_line(
    tmp_path: Path, module: str, line: str, named: str
) -> None:
    text = (SOURCE / module).read_text()
    copy = tmp_path / "plan.py"
    copy.write_text(f"{text}\n{line}\n")

    found = list(breaches_in(copy, SOURCE))

    assert found, line
    assert all(named in each for each in found)
    planted_at = int(found[0].removeprefix(f"{copy}:").partition(":")[0])
    assert planted_at > text.count("\n")


@pytest.mark.parametrize(
    "line",
    [
        "import json",
        "from urllib.parse import quote",
        "from collections.abc import Iterable",
        "from datetime import datetime",
        "from ciliate.api.agent import AgentStatus",
        "from ciliate.datapath import layout",
        "from ciliate.ipam.allocator import Block",
    ],
)
def test_what_only_computes_is_no_breach(tmp_path: Path, line: str) -> None:
    copy = tmp_path / "plan.py"
    copy.write_text(f"{line}\n")

    assert list(breaches_in(copy, SOURCE)) == []


@pytest.mark.parametrize(
    ("path", "pure"),
    [
        ("ciliate/services/plan.py", True),
        ("ciliate/flows/deep/decode.py", True),
        ("ciliate/policy/filter.py", True),
        ("ciliate/ipam/agent/model.py", True),
        ("ciliate/bgp/allocator.py", True),
        ("ciliate/ipam/audit/node.py", True),
        ("ciliate/ipam/__init__.py", True),
        ("ciliate/api/agent.py", True),
        ("ciliate/ipam/agent/router.py", False),
        ("ciliate/ipam/operator/cidr_writer.py", False),
        ("ciliate/ipam_other/node.py", False),
        ("ciliate/kube/client.py", False),
        ("ciliate/services/planner.py", False),
    ],
)
def test_name_package_and_list_say_what_is_pure(*, path: str, pure: bool) -> None:
    assert is_pure(Path(path)) is pure


def test_breach_of_a_module_that_is_new_and_named_so_is_found_in_the_tree(tmp_path: Path) -> None:
    feature = tmp_path / "ciliate" / "services"
    feature.mkdir(parents=True)
    (feature / "__init__.py").write_text("import asyncio\n")
    (feature / "plan.py").write_text("import time\n")
    (feature / "target.py").write_text("import socket\n")

    found = [each.removeprefix(f"{feature}/") for each in breaches(tmp_path)]

    assert found == [
        "__init__.py:1: imports asyncio, which is not pure",
        "plan.py:1: imports time, which is not pure",
    ]


def test_every_entry_is_of_a_module_that_exists() -> None:
    assert {*PURE, *NOT_PURE, *TRUSTED} - MODULES == set()


def test_exceptions_are_none_of_the_rule() -> None:
    assert not any(map(is_pure_module, (*NOT_PURE, *TRUSTED)))

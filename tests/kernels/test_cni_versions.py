"""A runtime of any age attaches and detaches."""

import pytest
from tests.kernels.conftest import NODES, SmokeLab
from tests.lab.faulty_node import FaultyNode
from tests.lab.plugin_calls import make_sandboxes, remove_sandboxes

VERSIONS = ("0.3.1", "0.4.0", "1.0.0", "1.1.0")


def test_add_and_del_are_answered_in_the_version_of_the_request(lab: SmokeLab) -> None:
    node = FaultyNode(lab.cluster, NODES[1])
    sandboxes = make_sandboxes(node, len(VERSIONS), "cni")
    try:
        for sandbox, version in zip(sandboxes, VERSIONS, strict=True):
            added = sandbox.call("ADD", version=version)

            assert added.ok, added.stdout
            assert added.answer["cniVersion"] == version
            assert len(added.answer["ips"]) == 2
            assert sandbox.call("DEL", version=version).ok
    finally:
        remove_sandboxes(sandboxes)


@pytest.mark.parametrize("version", ["0.4.0", "1.1.0"])
def test_check_accepts_what_add_made(lab: SmokeLab, version: str) -> None:
    node = FaultyNode(lab.cluster, NODES[1])
    (sandbox,) = make_sandboxes(node, 1, f"check-{version.replace('.', '-')}")
    try:
        added = sandbox.call("ADD", version=version)
        extra = {"prevResult": added.answer}
        assert sandbox.call("CHECK", version=version, extra=extra).ok
        assert sandbox.call("DEL", version=version, extra=extra).ok
    finally:
        remove_sandboxes([sandbox])

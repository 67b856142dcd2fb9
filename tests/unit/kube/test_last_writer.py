"""`kube/last_writer.py`: who wrote beside us, out of managedFields of the embedded API server."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.kube.embedded_server import embedded_server

from ciliate.api.core import NODES, Node
from ciliate.api.metadata import ObjectMeta
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import UnavailableError
from ciliate.kube.last_writer import find_last_writer, last_writer
from ciliate.kube.options import PatchKind


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[ApiClient]:
    async with (
        embedded_server(tmp_path) as server,
        ApiClient.from_kubeconfig(server.kubeconfig, user_agent="cilium-agent") as client,
    ):
        yield client


def written_by(*entries: tuple[str, str | None]) -> dict[str, Any]:
    """Return an object that these managers wrote to, at these times."""
    fields = [{"manager": manager, "time": time} for manager, time in entries]
    return {"metadata": {"name": "x", "managedFields": fields}}


def test_latest_of_the_others_is_named_with_its_time() -> None:
    document = written_by(
        ("kubectl-edit", "2026-01-02T00:00:00Z"),
        ("cilium-agent", "2026-01-04T00:00:00Z"),
        ("argocd-controller", "2026-01-03T00:00:00Z"),
        ("ancient", None),
    )

    assert (
        last_writer(document, beside="cilium-agent")
        == "field manager argocd-controller wrote to it last, at 2026-01-03T00:00:00Z"
    )


@pytest.mark.parametrize("document", [written_by(), written_by(("cilium-agent", "2026"))])
def test_object_that_nobody_else_is_noted_in_says_what_that_can_mean(
    document: dict[str, Any],
) -> None:
    said = last_writer(document, beside="cilium-agent")

    assert "no other field manager than cilium-agent" in said
    assert "another process of that name, or an admission webhook" in said


def test_object_that_is_gone_has_no_name_and_leads_to_the_audit_log() -> None:
    assert "audit log of the API server" in last_writer(None, beside="cilium-agent")


async def test_manager_of_an_apply_is_found_in_the_object_of_that_name(client: ApiClient) -> None:
    for name in ("k8s-w1", "k8s-w10"):
        await client.create(NODES, Node(metadata=ObjectMeta(name=name)))
    body = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "k8s-w1", "labels": {"a": "b"}},
    }
    await client.patch(NODES, "k8s-w1", body, kind=PatchKind.APPLY, field_manager="rival")

    assert "field manager rival" in await find_last_writer(client, NODES, ("", "k8s-w1"))
    assert "rival" not in await find_last_writer(client, NODES, ("", "k8s-w10"))
    assert "audit log" in await find_last_writer(client, NODES, ("", "k8s-w2"))


async def test_api_server_that_is_away_is_why_nobody_is_named(tmp_path: Path) -> None:
    async with embedded_server(tmp_path) as server:
        kubeconfig = server.kubeconfig
    async with ApiClient.from_kubeconfig(kubeconfig) as client:
        said = await find_last_writer(client, NODES, ("", "k8s-w1"))
        with pytest.raises(UnavailableError) as refused:
            await client.get_json("/api/v1/nodes")

    assert said.startswith("by whom is not known: ")
    assert refused.value.detail in said

"""`kube/lookup.py`, asked of the embedded API server."""

from pathlib import Path

from tests.unit.kube.embedded_server import embedded_server

from ciliate.api.core import CONFIG_MAPS, NAMESPACES, ConfigMap
from ciliate.api.metadata import ObjectMeta
from ciliate.kube.client import ApiClient
from ciliate.kube.lookup import find


async def test_object_is_found_by_its_name_and_nothing_is_none(tmp_path: Path) -> None:
    async with (
        embedded_server(tmp_path, history_entries_max=20) as server,
        ApiClient.from_kubeconfig(server.kubeconfig) as client,
    ):
        for name in ("a", "b"):
            meta = ObjectMeta(name=name, namespace="default")
            await client.create(CONFIG_MAPS, ConfigMap(metadata=meta, data={"is": name}))

        found = await find(client, CONFIG_MAPS, "b", namespace="default")
        place = await find(client, NAMESPACES, "default")

        assert found is not None
        assert found.data == {"is": "b"}
        assert place is not None
        assert await find(client, CONFIG_MAPS, "c", namespace="default") is None
        assert await find(client, CONFIG_MAPS, "b", namespace="kube-system") is None

"""`lab upgrade`: settings of a running lab changed in place, all others kept."""

import asyncio
from collections.abc import Sequence

import msgspec

from ciliate.api.core import CONFIG_MAPS
from ciliate.config.helm import HelmChanges, read_changes
from ciliate.config.keys import readers
from ciliate.config.routing_change import routing_changes
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import NotFoundError
from ciliate.kube.placed import create_missing, delete_present
from ciliate.lab import manifests
from ciliate.lab.paths import LabPaths
from ciliate.lab.state import LabState, write_state
from ciliate.operator.refusal import RefusedSettingsError, check_change


def upgrade(
    paths: LabPaths, state: LabState, values: Sequence[str], *, force: bool = False
) -> list[str]:
    """Write the settings into the cluster; lines that say what changed.

    Raises:
        SettingError: A word is not understood; nothing is changed then.
        RefusedSettingsError: Agents or operator would not start, and no `force` is used; likewise.
        KubeError: The API server refuses or does not answer.
    """
    changes = read_changes(values)
    lines = asyncio.run(_write(paths, changes, force=force))
    settings = {**state.settings, **changes.config}
    parts = [part for part in manifests.PARTS if changes.parts.get(part, part in state.parts)]
    write_state(paths, msgspec.structs.replace(state, settings=settings, parts=parts))
    words = [f"ciliate lab restart {scope.value}" for scope in readers(changes.config)]
    if words:
        lines.append(f"read at the next start of what reads it: {'; '.join(words)}")
    return [*(f"warning: {line}" for line in changes.warnings()), *lines]


async def _write(paths: LabPaths, changes: HelmChanges, *, force: bool) -> list[str]:
    lines: list[str] = []
    async with ApiClient.from_kubeconfig(paths.kubeconfig) as client:
        if changes.config:
            before = await client.get(
                CONFIG_MAPS, manifests.CONFIG_MAP, namespace=manifests.NAMESPACE
            )
            try:
                check_change(before.data, {**before.data, **changes.config})
            except RefusedSettingsError as error:
                if not force:
                    raise
                lines.append(f"warning: {error}")
            await client.patch(
                CONFIG_MAPS,
                manifests.CONFIG_MAP,
                {"data": dict(changes.config)},
                namespace=manifests.NAMESPACE,
            )
            for key, value in sorted(changes.config.items()):
                was = before.data.get(key)
                lines.append(f"{key}: {value}" + ("" if was == value else f" (was: {was or '-'})"))
            lines += routing_changes(before.data, {**before.data, **changes.config})
        for part, wanted in changes.parts.items():
            lines.append(await _set_part(client, part, wanted=wanted))
        if changes.ip_masq_agent:
            await write_ip_masq_agent(client, changes)
            lines.append(f"ConfigMap {manifests.IP_MASQ_AGENT} written")
    return lines


async def _set_part(client: ApiClient, part: str, *, wanted: bool) -> str:
    """Create or delete the objects of a part; return what was done."""
    before = await client.get(CONFIG_MAPS, manifests.CONFIG_MAP, namespace=manifests.NAMESPACE)
    objects = [(each.path, each.body) for each in manifests.PARTS[part](before.data)]
    await (create_missing if wanted else delete_present)(client, objects)
    return f"{part}: {'there' if wanted else 'removed'}"


async def write_ip_masq_agent(client: ApiClient, changes: HelmChanges) -> None:
    """Write the ConfigMap ip-masq-agent, keeping fields that are not named."""
    fields = dict(changes.ip_masq_agent)
    try:
        present = await client.get(
            CONFIG_MAPS, manifests.IP_MASQ_AGENT, namespace=manifests.NAMESPACE
        )
    except NotFoundError:
        placed = manifests.ip_masq_agent(fields)
        await client.request("POST", placed.path, body=msgspec.json.encode(placed.body))
        return
    fields = {**msgspec.json.decode(present.data.get("config", "{}")), **fields}
    await client.patch(
        CONFIG_MAPS,
        manifests.IP_MASQ_AGENT,
        {"data": manifests.ip_masq_agent(fields).body["data"]},
        namespace=manifests.NAMESPACE,
    )

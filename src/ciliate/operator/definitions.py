"""Installs the CustomResourceDefinitions, before anything else can work.

Idempotent, and safe beside other versions of us and of Cilium: a definition whose schema is as
new as ours or newer is left alone, and none is ever deleted, since that would delete its objects.
"""

import asyncio
import logging
from typing import Final

import msgspec

from ciliate.api.definitions import (
    CUSTOM_RESOURCE_DEFINITIONS,
    SCHEMA_VERSION_LABEL,
    CustomResourceDefinition,
    Definition,
    schema_version,
)
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import AlreadyExistsError, NotFoundError, UnavailableError
from ciliate.reconcile.backoff import Backoff

#: How long an API server may take until it serves a new kind; it is usually under a second.
_ESTABLISH_S: Final = 30.0

_log = logging.getLogger(__name__)


async def install(client: ApiClient, definitions: tuple[Definition, ...]) -> None:
    """Bring every definition to at least our schema, and wait until all kinds are served.

    Raises:
        KubeError: The API server refuses, is away, or does not serve a kind in time.
    """
    for definition in definitions:
        await _install_one(client, definition)
    for definition in definitions:
        await _established(client, definition.name)


async def _install_one(client: ApiClient, definition: Definition) -> None:
    try:
        installed = await client.get(CUSTOM_RESOURCE_DEFINITIONS, definition.name)
    except NotFoundError:
        try:
            await client.request(
                "POST",
                CUSTOM_RESOURCE_DEFINITIONS.path(),
                body=msgspec.json.encode(definition.document),
            )
        except AlreadyExistsError:
            # Another operator was faster; which schema it brought is read now.
            installed = await client.get(CUSTOM_RESOURCE_DEFINITIONS, definition.name)
        else:
            _log.info("definition %s created", definition.name)
            return
    await _upgrade(client, definition, installed)


async def _upgrade(
    client: ApiClient, definition: Definition, installed: CustomResourceDefinition
) -> None:
    found = schema_version(installed.metadata.labels)
    if found >= definition.schema_version:
        _log.debug("definition %s is at %s, left alone", definition.name, found)
        return
    labels = definition.document["metadata"]["labels"]
    body = {
        # Two operators of different versions may both see an old one: the second must read it
        # again.
        "metadata": {
            "resourceVersion": installed.metadata.resource_version,
            "labels": {SCHEMA_VERSION_LABEL: labels[SCHEMA_VERSION_LABEL]},
        },
        "spec": definition.document["spec"],
    }
    await client.patch(CUSTOM_RESOURCE_DEFINITIONS, definition.name, body)
    _log.info("definition %s brought to %s", definition.name, definition.schema_version)


async def _established(client: ApiClient, name: str) -> None:
    """Wait until the API server serves the kind.

    Raises:
        UnavailableError: It does not in time.
        KubeError: It cannot be asked.
    """
    pause = Backoff(first_s=0.05, limit_s=1.0)
    try:
        async with asyncio.timeout(_ESTABLISH_S):
            while True:
                found = await client.get(CUSTOM_RESOURCE_DEFINITIONS, name)
                states = {c.type: c for c in found.status.conditions}
                established = states.get("Established")
                if established is not None and established.status == "True":
                    return
                await asyncio.sleep(pause.next())
    except TimeoutError as error:
        raise UnavailableError(
            verb="establish",
            target=f"customresourcedefinitions {name}",
            detail=f"not served within {_ESTABLISH_S:g} s; see its status conditions",
        ) from error

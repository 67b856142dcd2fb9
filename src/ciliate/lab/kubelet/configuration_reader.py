"""Reads the ConfigMaps and Secrets that a pod names, anew whenever something of it starts.

They are asked for by name, never listed: a pod that names none costs no request, and what was made a
moment before its pod is seen.
"""

import asyncio
from collections.abc import Iterable

from ciliate.kube.client import ApiClient
from ciliate.kube.errors import NotFoundError
from ciliate.lab.kubelet.configuration import Configuration, Reference, Source, content_of
from ciliate.lab.objects import CONFIG_MAPS, SECRETS, ConfigMap, Secret


async def read_configuration(
    client: ApiClient, namespace: str, references: Iterable[Reference]
) -> Configuration:
    """Return what the named objects hold; those that are not there are left out.

    Raises:
        KubeError: The API server does not answer.
    """
    wanted = list(references)
    found = await asyncio.gather(*(_read(client, namespace, each) for each in wanted))
    held = {
        reference: content_of(each)
        for reference, each in zip(wanted, found, strict=True)
        if each is not None
    }
    return Configuration(namespace, held)


async def _read(
    client: ApiClient, namespace: str, reference: Reference
) -> ConfigMap | Secret | None:
    try:
        if reference.source is Source.SECRET:
            return await client.get(SECRETS, reference.name, namespace=namespace)
        return await client.get(CONFIG_MAPS, reference.name, namespace=namespace)
    except NotFoundError:
        return None

"""Whether the API server has a kind and lets us list it: asked before a watch we can do without.

A cluster may be older than a kind, and a role may lack the right to it. A watch of such a kind would
be refused for ever; who asks here first can go without it, and ask again later.
"""

import asyncio
import logging
from typing import Any

from ciliate.api.resource import Resource
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import ForbiddenError, KubeError, NotFoundError, UnavailableError
from ciliate.kube.retrying import pause_after
from ciliate.reconcile.backoff import Backoff

_log = logging.getLogger(__name__)


async def list_refusal(client: ApiClient, resource: Resource[Any]) -> KubeError | None:
    """Return why objects of `resource` cannot be listed, None when they can.

    A server that is away or busy says neither: it is asked until it answers.
    """
    pause = Backoff()
    told = ""
    while True:
        try:
            await client.get_json(resource.path(), params={"limit": "1"})
        except UnavailableError as error:
            if str(error) != told:  # Once per cause, not per attempt.
                told = str(error)
                _log.warning("%s; trying again", error)
            await asyncio.sleep(pause_after(error, pause))
        except (NotFoundError, ForbiddenError) as error:
            return error  # Ordinary: whoever asks says what follows from it.
        except KubeError as error:
            _log.warning("%s", error)
            return error
        else:
            return None

"""What a container's hooks do: `lifecycle.postStart` and `preStop`.

They use the ways of probes, and their answers count less: of HTTP any answer is a success.
"""

import asyncio

from ciliate.lab.errors import KernelCallError, SpawnError, ZygoteGoneError
from ciliate.lab.kubelet.errors import ContainerNotFoundError, HookFailedError
from ciliate.lab.kubelet.probe_handlers import ProbePlace, get, go_words, http_request
from ciliate.lab.objects import Container, Handler


async def run_hook(container: Container, handler: Handler, place: ProbePlace) -> None:
    """Do what a hook says, as long as it takes.

    Raises:
        HookFailedError: It failed, with the reason.
    """
    if handler.sleep is not None:
        await asyncio.sleep(float(handler.sleep.get("seconds") or 0))
        return
    try:
        if handler.exec is not None:
            command = tuple(handler.exec.get("command") or ())
            code, output = await place.execute(command)
            if code != 0:
                said = output.decode(errors="replace").strip()
                raise HookFailedError(f"{' '.join(command)}: exit status {code}: {said}")
        elif handler.http_get is not None:
            await get(place, http_request(container, handler.http_get, place))
        else:
            raise HookFailedError("it names neither exec nor httpGet nor sleep")
    except SpawnError as error:
        raise HookFailedError(error.problem) from error
    except OSError as error:
        raise HookFailedError(go_words(error)) from error
    except (
        ValueError,
        KernelCallError,
        ZygoteGoneError,
        ContainerNotFoundError,
    ) as error:
        raise HookFailedError(str(error)) from error

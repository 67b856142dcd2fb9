"""Another CNI plugin, run on the runtime's behalf (CNI 1.1.0, section 4, "Delegated plugins").

The plugin that `ipam.type` names gets the environment and the stdin that ours was called with. It
is ended when it takes too long, with everything it started. Its input is never logged; of its
output only a CNI error object is, or the last line when it ends without one.
"""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from ciliate.cni.call import Call
from ciliate.cni.errors import CniCode, CniError
from ciliate.cni.plugin_result import parse_result
from ciliate.cni.request import Verb

#: An ADD that fails takes two calls of the plugin, within the 60 s that the agent has for it.
TIME_LIMIT_S: Final = 20.0
#: What a plugin may print; a result has some hundred bytes.
OUTPUT_BYTES_MAX: Final = 1 << 20

#: Plugins call iptables and the like.
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SHOWN_MAX: Final = 200


class Delegate:
    """Finds and runs the plugins that requests name."""

    def __init__(
        self,
        locate: Callable[[str], Path] = Path,
        *,
        time_limit_s: float = TIME_LIMIT_S,
    ) -> None:
        """Run plugins; `locate` maps a path of the runtime's to the path in this process."""
        self._locate = locate
        self._time_limit_s = time_limit_s

    async def run(self, call: Call, verb: Verb) -> dict[str, Any]:
        """Have the request's IPAM plugin do `verb`; return its result, empty for all but ADD.

        Raises:
            CniError: None is named (7), it is not there (5), takes too long (11), prints
                something else than a result (6), or fails: then with its own number and words.
        """
        if not call.ipam_type:
            raise CniError(
                CniCode.INVALID_CONFIG,
                "ipam.type is missing in the CNI configuration",
                "with ipam: delegated-plugin the conflist must name an IPAM plugin, such as"
                ' "ipam": {"type": "host-local", ...} in the entry of ciliate-cni',
            )
        program = self._find(call)
        stdout = await self._execute(program, call, verb)
        return parse_result(stdout, plugin=call.ipam_type) if verb is Verb.ADD else {}

    def _find(self, call: Call) -> Path:
        directories = call.environment.get("CNI_PATH", "").split(":")
        for directory in directories:
            # A relative one would be the agent's own folder, which no runtime means.
            if directory.startswith("/"):
                program = self._locate(directory) / call.ipam_type
                if program.is_file() and os.access(program, os.X_OK):
                    return program
        raise CniError(
            CniCode.IO_FAILURE,
            f'failed to find IPAM plugin "{call.ipam_type}" in path {directories}',
            "install it on the node, or correct ipam.type in the CNI configuration",
        )

    async def _execute(self, program: Path, call: Call, verb: Verb) -> bytes:
        name = call.ipam_type
        environment = {**call.environment, "CNI_COMMAND": str(verb), "PATH": _PATH}
        try:
            process = await _start(program, environment)
        except (OSError, ValueError) as error:  # ValueError: a NUL in the environment.
            raise CniError(
                CniCode.IO_FAILURE, f"IPAM plugin {name} cannot be run: {error}"
            ) from error
        try:
            async with asyncio.timeout(self._time_limit_s):
                stdout, stderr = await _converse(process, call.stdin)
                code = await process.wait()  # Both pipes ended: nothing holds it up.
        except BaseException as error:  # Also when the request is cancelled.
            _end(process)
            if not isinstance(error, TimeoutError):
                raise
            raise CniError(
                CniCode.TRY_AGAIN_LATER,
                f"IPAM plugin {name} did not finish {verb} within {self._time_limit_s:g} s",
                "it was ended; what holds it up is on the node (a lock, its back end)",
            ) from error
        if code != 0:
            raise _failure(name, code, stdout, stderr)
        return stdout


async def _start(program: Path, environment: Mapping[str, str]) -> asyncio.subprocess.Process:
    """Start `program` with its three streams piped.

    A caller that is cancelled meanwhile waits until the plugin has started, and ends it. Without
    the shield asyncio would wait until both pipes have ended (CPython 3.11), which takes as long
    as anything the plugin started holds them.
    """
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            program,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
            cwd="/",
            start_new_session=True,  # It and what it starts can be ended as one group.
            limit=OUTPUT_BYTES_MAX,
        )
    )
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        await asyncio.wait({starting})
        if starting.exception() is None:
            _end(starting.result())
        raise


async def _converse(process: asyncio.subprocess.Process, stdin: bytes) -> tuple[bytes, bytes]:
    """Write stdin while both outputs are read, so that neither side blocks the other."""
    assert process.stdout is not None, "piped"
    assert process.stderr is not None, "piped"
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_write(process, stdin))
        stdout = tasks.create_task(_read(process.stdout))
        stderr = tasks.create_task(_read(process.stderr))
    return stdout.result(), stderr.result()


async def _write(process: asyncio.subprocess.Process, stdin: bytes) -> None:
    assert process.stdin is not None, "piped"
    # A plugin that fails early does not read its configuration.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(stdin)
        await process.stdin.drain()
        process.stdin.close()
        await process.stdin.wait_closed()


async def _read(stream: asyncio.StreamReader) -> bytes:
    """Return the first OUTPUT_BYTES_MAX bytes of the output; the rest is read and dropped."""
    kept = bytearray()
    while piece := await stream.read(1 << 16):
        kept += piece[: OUTPUT_BYTES_MAX - len(kept)]
    return bytes(kept)


def _end(process: asyncio.subprocess.Process) -> None:
    """End the plugin and what it started, and let go of the pipes.

    Not awaited: asyncio's `wait` returns only when both pipes have ended (CPython 3.11), which a
    process that left the group can hold open for ever. The loop's child watcher reaps the plugin.
    """
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process._transport.close()  # type: ignore[attr-defined]  # noqa: SLF001 - no public way.


def _failure(name: str, code: int, stdout: bytes, stderr: bytes) -> CniError:
    """Return what the plugin said: its error object, or else how it ended."""
    try:
        document = json.loads(stdout)
        return CniError(
            int(document["code"]), str(document["msg"]), str(document.get("details") or "")
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    how = f"exit status {code}" if code > 0 else f"signal {-code}"
    last = stderr.decode(errors="replace").strip().rpartition("\n")[2]
    return CniError(
        CniCode.IO_FAILURE, f"IPAM plugin {name} failed: {how}, no CNI error", last[:_SHOWN_MAX]
    )

"""Which cluster a command speaks to.

In this order: `--kubeconfig`, KUBECONFIG, the pod it runs in, ~/.kube/config; and when none of
these exists, the lab that CILIATE_LAB names, or this checkout's: on a machine that has nothing but
the lab, `ciliate status` needs no preparation.
"""

import os
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
from click.shell_completion import CompletionItem

from ciliate.cli.name_completion import NAME_COMPLETIONS
from ciliate.console.installation import with_installation
from ciliate.errors import CiliateError

if TYPE_CHECKING:
    from ciliate.kube.client import ApiClient

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

_kubeconfig: Final = click.option(
    "--kubeconfig",
    default="",
    metavar="FILE",
    shell_complete=lambda *_: [CompletionItem("", type="file")],
    help="How to reach the cluster.",
)


def kubeconfig_option(function: F) -> F:
    """Give a command what names its cluster (passed on as `kubeconfig`) and its installation."""
    return _kubeconfig(with_installation(offers=NAME_COMPLETIONS)(function))


def run(work: Coroutine[Any, Any, T]) -> T:
    """Return the result of a command's asynchronous part."""
    import asyncio  # noqa: PLC0415 - a third of the start-up of commands that need none.

    return asyncio.run(work)


class NoClusterError(CiliateError):
    """There is nothing that says how to reach a cluster."""

    def __init__(self, *, lab: Path, labs: Sequence[str] = ()) -> None:
        self.lab = lab
        self.labs = tuple(labs)
        choice = f"choose of the labs {', '.join(labs)} by CILIATE_LAB=NAME, " if labs else ""
        super().__init__(
            "no cluster to speak to: neither KUBECONFIG nor ~/.kube/config, nor a lab's "
            f"{lab}. Give --kubeconfig FILE, {choice}or start a lab with `ciliate lab up`"
        )


def find_kubeconfig(explicit: str) -> str:
    """Return the file to use, or "" where `ApiClient.detect` finds its way itself.

    Raises:
        NoClusterError: There is none of the files, and this is no pod.
    """
    in_cluster = "KUBERNETES_SERVICE_HOST" in os.environ
    if explicit or os.environ.get("KUBECONFIG") or in_cluster:
        return explicit
    if Path("~/.kube/config").expanduser().exists():
        return ""
    from ciliate.lab.choice import chosen_lab, own_lab  # noqa: PLC0415 - for this case alone.

    lab = own_lab().kubeconfig
    if not _exists(lab):
        raise NoClusterError(lab=lab, labs=_labs())
    return str(chosen_lab().kubeconfig)


def _labs() -> list[str]:
    from ciliate.lab.state import lab_names  # noqa: PLC0415 - for this case alone.

    try:
        return lab_names()
    except CiliateError:
        return []  # They are root's.


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError:  # A lab is root's; for others there is none.
        return False


def cluster_client(kubeconfig: str, context: str = "") -> "ApiClient":
    """Return a client of the cluster, by a context of the file; use it with `async with`.

    Raises:
        KubeconfigError: No kubeconfig, or one that cannot be used.
    """
    from ciliate.kube.client import ApiClient  # noqa: PLC0415 - imports aiohttp: 100 ms.

    return ApiClient.detect(find_kubeconfig(kubeconfig), context=context)

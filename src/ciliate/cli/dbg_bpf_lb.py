"""`ciliate dbg bpf lb …`: the maps of Services as the kernel holds them now."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import click

from ciliate.console.output import echo_pairs, output_forms
from ciliate.datapath.bpf_map import open_pinned
from ciliate.datapath.layout import MaglevChunk, MaglevKey, SourceRangeKey
from ciliate.services.maps import (
    FRONTENDS,
    MAGLEV_TABLES,
    SERVICE_SLOTS,
    SERVICES,
    SOURCE_RANGES,
)
from ciliate.services.show import (
    LiveServices,
    backend_rows,
    frontend_rows,
    lb_rows,
    maglev_rows,
    revnat_rows,
    source_range_rows,
)

_ADDRESSES: Final = "BACKEND ADDRESS (REVNAT_ID) (SLOT)"
_VIEWS: Final[
    Mapping[str, tuple[tuple[str, str], Callable[[Path], Mapping[str, Sequence[str]]]]]
] = {
    "backends": (("ID", _ADDRESSES), lambda root: backend_rows(read_services(root))),
    "frontends": (
        ("SERVICE ADDRESS", "BACKEND ID"),
        lambda root: frontend_rows(read_services(root)),
    ),
    "revnat": (("ID", _ADDRESSES), lambda root: revnat_rows(read_services(root))),
    "source-ranges": (
        ("SOURCE RANGE (REVNAT_ID)", ""),
        lambda root: source_range_rows(read_services(root), _source_ranges(root)),
    ),
}
_ALL: Final = (("SERVICE ADDRESS", _ADDRESSES), lambda root: lb_rows(read_services(root)))


def read_services(bpf_root: Path) -> LiveServices:
    """Return what the pinned maps hold; who leads comes first, so that nothing leads nowhere long."""
    with (
        open_pinned(bpf_root, FRONTENDS) as frontends,
        open_pinned(bpf_root, SERVICES) as services,
        open_pinned(bpf_root, SERVICE_SLOTS) as slots,
    ):
        return LiveServices(dict(frontends.items()), dict(services.items()), dict(slots.items()))


def _source_ranges(bpf_root: Path) -> list[SourceRangeKey]:
    with open_pinned(bpf_root, SOURCE_RANGES) as opened:
        return [key for key, _ in opened.items()]


def _chunks(bpf_root: Path) -> dict[MaglevKey, MaglevChunk]:
    with open_pinned(bpf_root, MAGLEV_TABLES) as opened:
        return dict(opened.items())


@click.group("lb")
def command() -> None:
    """Services: frontends, backends, tables."""


@click.command(
    "list",
    epilog="\b\nExamples:\n  cilium-dbg bpf lb list\n  cilium-dbg bpf lb list --backends\n"
    "  cilium-dbg bpf lb list --source-ranges -o json",
)
@click.option("--frontends", "view", flag_value="frontends", help="Frontends with backends' ids.")
@click.option("--backends", "view", flag_value="backends", help="Backends by id.")
@click.option("--revnat", "view", flag_value="revnat", help="Where replies come from, by id.")
@click.option("--source-ranges", "view", flag_value="source-ranges", help="Ranges of clients.")
@output_forms("name")
@click.pass_obj
def lb_list(bpf_root: Path, view: str | None, output: str | None) -> None:
    """List frontends with their backends.

    Slot 0 is the frontend itself, with its type and flags; REVNAT_ID is its id, as in `cilium-dbg
    service list`. Those that share a set of backends in the maps are shown with the set each.
    """
    header, read = _VIEWS[view] if view is not None else _ALL
    echo_pairs(read(bpf_root), header, output)


@command.group("maglev")
def maglev() -> None:
    """Tables by which every node picks the same backend."""


@click.command("list")
@output_forms("name")
@click.pass_obj
def maglev_list(bpf_root: Path, output: str | None) -> None:
    """List tables as backends' ids by cell, one for each frontend that packets come to."""
    rows = maglev_rows(read_services(bpf_root), _chunks(bpf_root))
    echo_pairs(rows, ("SVC ID", "LOOKUP TABLE"), output)


@maglev.command("get", epilog="\b\nExamples:\n  cilium-dbg bpf lb maglev get 5")
@click.argument("number", metavar="ID", type=int)
@output_forms("name")
@click.pass_obj
def maglev_get(bpf_root: Path, number: int, output: str | None) -> None:
    """Show the table of the frontend with the number ID."""
    every = maglev_rows(read_services(bpf_root), _chunks(bpf_root))
    rows = {name: row for name, row in every.items() if name.startswith(f"[{number}]/")}
    if not rows and output is None:
        click.echo(f"No entry found for service {number}")
        return
    echo_pairs(rows, ("SVC ID", "LOOKUP TABLE"), output)


for group, each in ((command, lb_list), (maglev, maglev_list)):
    group.add_command(each)
    group.add_command(each, name="ls")

"""Where pinned maps are, for commands that read them without an agent."""

from pathlib import Path
from typing import Final

import click

#: Passed on as `bpf_root`.
bpf_root_option: Final = click.option(
    "--bpf-root",
    default="/sys/fs/bpf",
    show_default=True,
    envvar="CILIUM_BPF_ROOT",
    type=click.Path(path_type=Path),
    help="The bpf file system the maps are pinned in.",
)

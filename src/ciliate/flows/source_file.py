"""Names of the programs' source files, as events have their numbers. Pure."""

from functools import cache

from ciliate.datapath.layout import SourceFile


@cache
def file_name(number: int) -> str:
    """Return the name of a file of the programs' source: `from_pod.bpf.c`."""
    try:
        name = SourceFile(number).name.removeprefix("SOURCE_").lower()
    except ValueError:
        return "unknown"
    for ending in (".bpf.c", ".h"):
        end = ending.replace(".", "_")
        if name.endswith(end):
            return name.removesuffix(end) + ending
    return name

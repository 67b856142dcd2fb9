"""What `dbg version -o json` prints: Cilium's words, which its CLI reads.

`Version` is that of the API that is spoken: Cilium's CLI reads out of it which commands and fields
it may ask for. Which program speaks it is `Revision`.
"""

from msgspec import Struct


class ProgramVersion(Struct, frozen=True, kw_only=True, rename="pascal"):
    """The version of one program."""

    version: str
    revision: str
    arch: str
    #: Cilium's programs have a Go runtime and the date of a commit here.
    go_runtime_version: str = ""
    author_date: str = ""


class VersionAnswer(Struct, frozen=True, kw_only=True, rename="pascal"):
    """Of the command, and of the agent it asked."""

    client: ProgramVersion
    daemon: ProgramVersion

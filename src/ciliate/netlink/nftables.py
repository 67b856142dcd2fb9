"""The kernel's packet filter nf_tables, by way of the program `nft`.

One call of `nft -f -` is one transaction: the kernel takes all of it or nothing, and no packet
meets half of it. The program is what knows how expressions and intervals are encoded, release by
release; it runs for some milliseconds, apart from us, in this process' network namespace. Its rules
work beside those of iptables in either form.
"""

import asyncio
import shutil
import subprocess
from typing import Any, Final

import msgspec
from msgspec import Struct, field

from ciliate.errors import CiliateError

#: A transaction of 10,000 addresses takes a tenth of a second; who waits longer waits for a lock.
TIME_LIMIT_S: Final = 20.0

_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SHOWN_MAX: Final = 300
_ABSENT: Final = "No such file or directory"  # ENOENT in the language that is asked for below.
_REMEDIES: Final = {
    "Operation not permitted": "give the agent CAP_NET_ADMIN, or run it privileged",
    "not supported": "this kernel lacks nf_tables or a part of it (CONFIG_NF_TABLES_INET,"
    " CONFIG_NFT_NAT, CONFIG_NFT_MASQ, CONFIG_NFT_FIB_INET): load its modules",
}


class NftablesError(CiliateError):
    """`nft` is missing or failed; `words` are its own."""

    def __init__(self, step: str, words: str, remedy: str = "") -> None:
        self.step = step
        self.words = words
        super().__init__(f"{step}: {words}" + (f": {remedy}" if remedy else ""))


class NftablesMissingError(NftablesError):
    """There is no program `nft`."""

    def __init__(self) -> None:
        super().__init__(
            "masquerade by the host's stack",
            "there is no program nft",
            "install the package nftables in the agent's image (on the node, where the agent runs"
            ' there), or set enable-bpf-masquerade to "true"',
        )


class ListedPrefix(Struct, frozen=True):
    """A prefix as a set shows it."""

    addr: str
    len: int


class ListedElement(Struct, frozen=True):
    """An element of an interval set that is no single address."""

    prefix: ListedPrefix | None = None
    range: tuple[str, str] | None = None


class ListedSet(Struct, frozen=True):
    """A set with its elements."""

    name: str
    type: Any
    flags: Any = ()
    elem: list[str | ListedElement] = field(default_factory=list)


class ListedChain(Struct, frozen=True):
    """A chain; the last four are empty for one that no hook calls."""

    name: str
    type: str = ""
    hook: str = ""
    prio: int | None = None
    policy: str = ""


class ListedRule(Struct, frozen=True):
    """A rule, as far as it is read: by its comment."""

    chain: str
    comment: str = ""


class Listed(Struct, frozen=True):
    """One object of a table; what is none of these is left out by `others`."""

    set: ListedSet | None = None
    chain: ListedChain | None = None
    rule: ListedRule | None = None


class _Listing(Struct, frozen=True):
    nftables: tuple[Listed, ...]


_DECODER: Final = msgspec.json.Decoder(_Listing)


class Nftables:
    """The rules of a network namespace; nothing here knows what they say."""

    def __init__(self, netns: str | None = None, *, path: str = _PATH) -> None:
        """Work in the namespace at path `netns`; None means the process' own.

        `path` says where `nft` is looked for.
        """
        self._path = path
        self._enter = () if netns is None else ("/usr/bin/nsenter", f"--net={netns}")

    async def transact(self, script: str) -> None:
        """Have the kernel take `script`, in nft's own language, as one transaction.

        Raises:
            NftablesError: `nft` is missing, or the kernel took nothing of it.
        """
        code, _, words = await asyncio.to_thread(self._run, ("-f", "-"), script.encode())
        if code != 0:
            raise _failure("write nftables rules", words)

    async def table(self, family: str, name: str) -> tuple[Listed, ...] | None:
        """Return what stands in a table; None: there is no such table.

        Raises:
            NftablesError: `nft` is missing, or the table cannot be read.
        """
        return await asyncio.to_thread(self._read, family, name)  # Decoding takes long too.

    def _read(self, family: str, name: str) -> tuple[Listed, ...] | None:
        step = f"read nftables table {family} {name}"
        code, printed, said = self._run(("-j", "list", "table", family, name), b"")
        if code != 0:
            if _ABSENT in said:
                return None
            raise _failure(step, said)
        try:
            return _DECODER.decode(printed).nftables
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            raise NftablesError(
                step,
                f"nft prints something else than expected ({error})",
                "install nftables 0.9.8 or later",
            ) from error

    def _run(self, words: tuple[str, ...], stdin: bytes) -> tuple[int, bytes, str]:
        """Return the exit status, and what was printed on both outputs."""
        program = shutil.which("nft", path=self._path)
        if program is None:
            raise NftablesMissingError
        try:
            done = subprocess.run(
                (*self._enter, program, *words),
                input=stdin,
                capture_output=True,
                check=False,
                env={"PATH": self._path, "LC_ALL": "C"},
                cwd="/",
                timeout=TIME_LIMIT_S,
            )
        except OSError as error:
            raise NftablesError(
                f"run {program}", str(error), "see that it can be executed"
            ) from error
        except subprocess.TimeoutExpired as error:
            raise NftablesError(
                f"run {program} {' '.join(words)}",
                f"not done within {TIME_LIMIT_S:g} s",
                "see what holds up nf_tables on this node",
            ) from error
        return done.returncode, done.stdout, done.stderr.decode(errors="replace")


def _failure(step: str, words: str) -> NftablesError:
    """Return the error for what `nft` said: its first line has the cause."""
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    said = (lines[-1] if lines and "netlink" in lines[-1] else lines[0]) if lines else "it failed"
    remedy = next((each for sign, each in _REMEDIES.items() if sign in words), "")
    return NftablesError(step, said[:_SHOWN_MAX], remedy)

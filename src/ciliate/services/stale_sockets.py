"""Ends the sockets of network namespaces whose backend is gone. Blocking: call from a thread.

A connected UDP socket asks nobody anew: it sends to a pod that is gone for as long as its process
keeps it. An unconnected one needs no end, since each datagram asks again. Only sockets that the
programs sent there are ended, not those that named the pod themselves: what programs noted in
sockets is read where a namespace has one with such a peer, which is seldom.
"""

import errno
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, Protocol

from ciliate.errors import CiliateError
from ciliate.net.address import IPAddress
from ciliate.netlink.errors import NetlinkError
from ciliate.netlink.namespace import inside, open_namespace, open_own_namespace
from ciliate.netlink.sock_diag import PeeredSocket, end_sockets, peered_sockets
from ciliate.services.backend_address import BackendAddress, sent_to

#: Sockets of a namespace that are ended in one round; the next round has the rest.
ROUND_SOCKETS_MAX: Final = 16_384

#: Whether a socket to this backend must end.
IsGone = Callable[[BackendAddress], bool]


class Notes(Protocol):
    """What programs noted in sockets (`socket_peers`)."""

    def items(self, protocol: int) -> Iterator[tuple[int, bytes]]:
        """Yield cookie and note of every socket of this namespace with one."""
        ...


@dataclass(slots=True)
class Ended:
    """What became of a round; `has_more`: another one will end more."""

    by_protocol: Counter[int] = field(default_factory=Counter)
    one: BackendAddress | None = None  # Of those that sockets had, for the log.
    failures: list[CiliateError] = field(default_factory=list)
    has_more: bool = False


def end_stale(
    places: Iterable[str | None], is_gone: IsGone, *, protocols: Collection[int], notes: Notes
) -> Ended:
    """End the sockets of `protocols` in every namespace of `places`; None is the thread's own.

    A namespace that fails stops no other, and one that is gone is no failure.

    Raises:
        SocketEndUnsupportedError: The kernel lists or ends no sockets.
        SocketStorageUnsupportedError: It does not tell what programs noted.
        DatapathError: It failed to tell that.
    """
    ended = Ended()
    for place in places:
        try:
            with _inside(place):
                for protocol in protocols:
                    _end_here(protocol, is_gone, notes, ended)
        except NetlinkError as error:
            if error.errno != errno.ENOENT:
                ended.failures.append(error)
    return ended


def _end_here(protocol: int, is_gone: IsGone, notes: Notes, ended: Ended) -> None:
    """End what is stale in this namespace.

    The kernel looks a socket up by its addresses before it compares the cookie: of several with the
    same ones it finds one alone, and the next when that has ended.
    """
    if next(_peered_with_gone(protocol, is_gone), None) is None:
        return
    suspects = dict(islice(_sent_to_gone(protocol, is_gone, notes), ROUND_SOCKETS_MAX))
    stale = [
        each
        for each in _peered_with_gone(protocol, is_gone)
        if (each.address, each.port) in suspects.get(each.cookie, ())
    ]
    count = end_sockets(stale) if stale else 0
    if count:
        ended.by_protocol[protocol] += count
        ended.one = BackendAddress(stale[0].address, stale[0].port, protocol)
        # Only after progress: notes of sockets without a peer stay, and are no reason to go on.
        ended.has_more |= count < len(stale) or len(suspects) == ROUND_SOCKETS_MAX


def _peered_with_gone(protocol: int, is_gone: IsGone) -> Iterator[PeeredSocket]:
    for each in peered_sockets(protocol):
        if is_gone(BackendAddress(each.address, each.port, protocol)):
            yield each


def _sent_to_gone(
    protocol: int, is_gone: IsGone, notes: Notes
) -> Iterator[tuple[int, frozenset[tuple[IPAddress, int]]]]:
    """Yield cookies of sockets that were sent to backends that are gone, and these."""
    for cookie, note in notes.items(protocol):
        gone = frozenset(
            (address, port)
            for address, port in sent_to(note)
            if is_gone(BackendAddress(address, port, protocol))
        )
        if gone:
            yield cookie, gone


@contextmanager
def _inside(place: str | None) -> Iterator[None]:
    if place is None:
        yield
        return
    home = open_own_namespace()
    try:
        there = open_namespace(place)
        try:
            with inside(there, home=home, subject=place):
                yield
        finally:
            os.close(there)
    finally:
        os.close(home)

"""A map as Python sees it: `BpfMap` names it and its types, `OpenMap` is one that the kernel has.

A single call takes a few microseconds. Walking and filling go by batches of one system call each;
where a kind of map or a kernel has no batch calls, by single ones. All calls are synchronous;
a walk over a large map belongs in a thread.
"""

import ctypes
import errno
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from ctypes import byref, c_uint32
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

from ciliate.datapath import libbpf, pins
from ciliate.datapath.codec import Codec, OctetTest
from ciliate.datapath.errors import (
    DatapathError,
    MapFullError,
    MapMismatchError,
    MapMissingError,
    refused,
)
from ciliate.datapath.layout import MAP_SHAPES
from ciliate.datapath.shape import ARRAYS, PER_CPU, MapKind, MapShape

K = TypeVar("K")
V = TypeVar("V")

#: Entries a batch: past a thousand the system call's own cost no longer shows.
_BATCH: Final = 1024

#: A walk sees no more entries than this many times the capacity: entries deleted under it make
#: the kernel start again, and a busy map must not hold a reader for ever.
_WALK_ROUNDS: Final = 2

_ENOTSUPP: Final = 524  # The kernel's own; not in errno.
_NO_BATCH: Final = frozenset({_ENOTSUPP, errno.EOPNOTSUPP, errno.EINVAL})
_FULL: Final = frozenset({errno.E2BIG, errno.ENOSPC})  # hash; LPM trie


class BpfMap(Generic[K, V]):
    """Name and types of a map; kind, sizes and capacity are bpf/maps.h's, by way of BTF."""

    __slots__ = ("key", "name", "value")

    def __init__(self, name: str, *, key: Codec[K], value: Codec[V]) -> None:
        self.name = name
        self.key = key
        self.value = value

    @property
    def shape(self) -> MapShape:
        """What bpf/maps.h says."""
        return MAP_SHAPES[self.name]

    def __repr__(self) -> str:
        return f"BpfMap({self.name!r})"


def shape_of(fd: int) -> MapShape | None:
    """Return the shape of the map behind `fd`; None when its kind is none of ours."""
    info = libbpf.map_info(fd)
    try:
        kind = MapKind(info.kind)
    except ValueError:
        return None
    return MapShape(kind, info.key_bytes, info.value_bytes, info.capacity, info.flags)


class OpenMap(Generic[K, V]):
    """A map the kernel has. Owns its descriptor.

    Raises:
        MapMismatchError: On creation, when kind or sizes are not those of the layout.
    """

    def __init__(self, which: BpfMap[K, V], fd: int) -> None:
        found = shape_of(fd)
        if found is None or not which.shape.holds_same_entries(found):
            os.close(fd)
            raise MapMismatchError(
                name=which.name, found=str(found or "another kind"), expected=str(which.shape)
            )
        self.name: Final = which.name
        self.fd: Final = fd
        self.capacity: Final = found.capacity
        self._which = which
        self._shape = found
        self._per_cpu = found.kind in PER_CPU
        self._stride = self._value_stride()

    def _value_stride(self) -> int:
        """Bytes the kernel writes for one value: one a CPU, each rounded up to 8."""
        size = self._shape.value_bytes
        return (size + 7) // 8 * 8 * libbpf.possible_cpus() if self._per_cpu else size

    def get(self, key: K) -> V | None:
        """Return the value of `key`, None when absent; of an LPM trie, the longest match."""
        value = ctypes.create_string_buffer(self._stride)
        code = libbpf.library().bpf_map_lookup_elem(self.fd, self._which.key.pack(key), value)
        if code == -errno.ENOENT:
            return None
        if code:
            raise self._refused("bpf_map_lookup_elem", -code)
        return self._values(value.raw)[0]

    def put(self, key: K, value: V) -> None:
        """Set `key` to `value`.

        Raises:
            MapFullError: There is no room for another key.
        """
        self._must_have_single_values()
        code = libbpf.library().bpf_map_update_elem(
            self.fd, self._which.key.pack(key), self._which.value.pack(value), 0
        )
        if code:
            raise self._refused("bpf_map_update_elem", -code)

    def remove(self, key: K) -> bool:
        """Remove `key`; return whether it was there."""
        code = libbpf.library().bpf_map_delete_elem(self.fd, self._which.key.pack(key))
        if code == -errno.ENOENT:
            return False
        if code:
            raise self._refused("bpf_map_delete_elem", -code)
        return True

    def items(self, where: OctetTest | None = None) -> Iterator[tuple[K, V]]:
        """Yield the entries, or those that are meant, in the kernel's order, by batches.

        An entry that is added or removed meanwhile may be missed or shown; what stays is shown.
        """
        left = self.capacity * _WALK_ROUNDS
        for keys, values in self._batches():
            if where is None:
                keys_read = self._which.key.unpack_many(keys)
                yield from zip(keys_read, self._values(values), strict=True)
            else:
                yield from self._meant(keys, values, where)
            left -= len(keys) // self._shape.key_bytes
            if left <= 0:
                return

    def count(self) -> int:
        """Return how many entries there are; walks the map."""
        width = self._shape.key_bytes
        return min(sum(len(keys) // width for keys, _ in self._batches()), self.capacity)

    def put_many(self, entries: Mapping[K, V]) -> None:
        """Set every key of `entries`; on an error those before it are set.

        Raises:
            MapFullError: There is no room for another key.
        """
        self._must_have_single_values()
        remaining = iter(entries.items())
        while chunk := list(islice(remaining, _BATCH)):
            keys = b"".join([self._which.key.pack(key) for key, _ in chunk])
            values = b"".join([self._which.value.pack(value) for _, value in chunk])
            count = c_uint32(len(chunk))
            code = -libbpf.library().bpf_map_update_batch(
                self.fd, keys, values, byref(count), None
            )
            if code in _NO_BATCH:
                for key, value in chunk:
                    self.put(key, value)
            elif code:
                raise self._refused("bpf_map_update_batch", code)

    def remove_many(self, keys: Iterable[K]) -> int:
        """Remove every key of `keys`; return how many were there."""
        removed, remaining = 0, iter(keys)
        while chunk := [self._which.key.pack(key) for key in islice(remaining, _BATCH)]:
            removed += self._remove_chunk(chunk)
        return removed

    def clear(self) -> int:
        """Remove every entry; return how many there were."""
        width = self._shape.key_bytes
        found = [
            keys[at : at + width]
            for keys, _ in self._batches()
            for at in range(0, len(keys), width)
        ]
        return sum(
            self._remove_chunk(found[at : at + _BATCH]) for at in range(0, len(found), _BATCH)
        )

    def close(self) -> None:
        """Close the descriptor; the map itself lives on by its pin and its programs."""
        os.close(self.fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _remove_chunk(self, packed: list[bytes]) -> int:
        """Remove keys; the kernel stops at an absent one, so go on behind it."""
        removed = 0
        while packed:
            count = c_uint32(len(packed))
            code = -libbpf.library().bpf_map_delete_batch(
                self.fd, b"".join(packed), byref(count), None
            )
            if code in _NO_BATCH:
                return removed + sum(self._remove_packed(key) for key in packed)
            if code not in {0, errno.ENOENT}:
                raise self._refused("bpf_map_delete_batch", code)
            removed += count.value
            packed = packed[count.value + 1 :] if code else []
        return removed

    def _remove_packed(self, key: bytes) -> bool:
        code = -libbpf.library().bpf_map_delete_elem(self.fd, key)
        if code not in {0, errno.ENOENT}:
            raise self._refused("bpf_map_delete_elem", code)
        return not code

    def _batches(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys and values, each as the octets of many."""
        size = min(_BATCH, self.capacity)
        width = max(self._shape.key_bytes, 4)  # A hash's position is a bucket number.
        here, there = ctypes.create_string_buffer(width), ctypes.create_string_buffer(width)
        position: ctypes.Array[ctypes.c_char] | None = None
        while True:
            keys = ctypes.create_string_buffer(size * self._shape.key_bytes)
            values = ctypes.create_string_buffer(size * self._stride)
            count = c_uint32(size)
            code = -libbpf.library().bpf_map_lookup_batch(
                self.fd, position, there, keys, values, byref(count), None
            )
            if code == errno.ENOSPC and size < self.capacity:
                size = min(size * 2, self.capacity)  # One bucket holds more than a batch.
                continue
            if code in _NO_BATCH and position is None:
                yield from self._one_by_one()
                return
            if code not in {0, errno.ENOENT}:
                raise self._refused("bpf_map_lookup_batch", code)
            if count.value:
                yield (
                    keys.raw[: count.value * self._shape.key_bytes],
                    values.raw[: count.value * self._stride],
                )
            if code:  # ENOENT: that was the last batch.
                return
            here, there = there, here
            position = here

    def _one_by_one(self) -> Iterator[tuple[bytes, bytes]]:
        key: bytes | None = None
        following = ctypes.create_string_buffer(self._shape.key_bytes)
        value = ctypes.create_string_buffer(self._stride)
        while libbpf.library().bpf_map_get_next_key(self.fd, key, following) == 0:
            key = following.raw
            if libbpf.library().bpf_map_lookup_elem(self.fd, key, value) == 0:
                yield key, value.raw

    def _values(self, octets: bytes) -> list[V]:
        codec = self._which.value
        if not self._per_cpu:
            return codec.unpack_many(octets)
        return [
            self._summed(octets[at : at + self._stride])
            for at in range(0, len(octets), self._stride)
        ]

    def _meant(self, keys: bytes, values: bytes, where: OctetTest) -> Iterator[tuple[K, V]]:
        """Yield those of a batch that are meant; the others cost a look at one octet, in C."""
        width, stride = self._shape.key_bytes, self._stride
        marks = values[where.at :: stride].translate(where.passes)
        at = marks.find(1)
        while at >= 0:
            key = self._which.key.unpack(keys[at * width : (at + 1) * width])
            yield key, self._which.value.unpack(values[at * stride : (at + 1) * stride])
            at = marks.find(1, at + 1)

    def _summed(self, octets: bytes) -> V:
        """Add up the values of all CPUs, which only counters can be asked for."""
        size = self._shape.value_bytes
        assert size % 8 == 0, f"{self.name}: per-CPU values are made of 64-bit counters"
        words, width = memoryview(octets).cast("Q"), size // 8
        totals = (sum(words[at::width]) & 0xFFFF_FFFF_FFFF_FFFF for at in range(width))
        return self._which.value.unpack(b"".join(n.to_bytes(8, sys.byteorder) for n in totals))

    def _must_have_single_values(self) -> None:
        assert not self._per_cpu, f"{self.name} counts per CPU: only programs write it"

    def _refused(self, function: str, code: int) -> DatapathError:
        if code in _FULL and self._shape.kind not in ARRAYS:
            return MapFullError(name=self.name, capacity=self.capacity)
        return refused(function=function, subject=f"map {self.name}", code=code)


def open_pinned(bpf_root: Path, which: BpfMap[K, V], *, writable: bool = False) -> OpenMap[K, V]:
    """Open the pinned map `which`, as another process than the agent does.

    Raises:
        MapMissingError: There is none.
        AccessDeniedError: The process has no right to it.
        MapMismatchError: It is of another version.
    """
    path = pins.map_path(bpf_root, which.name)
    fd = pins.open_pin(path, read_only=not writable)
    if fd is None:
        raise MapMissingError(path)
    return OpenMap(which, fd)

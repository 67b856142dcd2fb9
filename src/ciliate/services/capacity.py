"""How large the maps are, how full, and of which there is no more room. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ciliate.config.service_settings import Algorithm, ServiceSettings
from ciliate.datapath.layout import MaglevBound

#: Of `maglev_tables`: a hash has its buckets before it has an entry, 16 octets each.
MAGLEV_ENTRIES_MAX: Final = 262144

#: The setting that gives a map its size, for who has to raise it.
_SETTINGS: Final = {
    "frontends": "bpf-lb-service-map-max",
    "services": "bpf-lb-service-map-max",
    "service_slots": "bpf-lb-service-backend-map-max",
    "source_ranges": "bpf-lb-source-range-map-max",
    "maglev_tables": "bpf-lb-maglev-map-max",
}


def map_entries(settings: ServiceSettings) -> Mapping[str, int]:
    """Return the entries that each map of Services has room for, by its name."""
    sizes = settings.map_sizes
    chunks = -(-settings.selection.maglev_table_size // MaglevBound.MAGLEV_CHUNK_SLOTS)
    tables = sizes.maglev_tables if settings.selection.algorithm is Algorithm.MAGLEV else 1
    return {
        "frontends": sizes.services,
        "services": sizes.services,
        "service_slots": sizes.slots,
        "affinity_slots": sizes.slots,
        "service_affinities": sizes.affinities,
        "outside_affinities": sizes.affinities,
        "source_ranges": sizes.source_ranges,
        "maglev_tables": min(tables * chunks, MAGLEV_ENTRIES_MAX),
    }


@dataclass(slots=True)
class Usage:
    """How many entries each map should hold; `affinity_slots` has as many as slots at most."""

    #: Entries that a map has room for, by its name.
    sizes: Mapping[str, int]
    #: Not before all Services are known: then the youngest of those that do not fit are left out.
    is_bounded: bool = False
    frontends: int = 0
    sets: int = 0
    slots: int = 0
    source_ranges: int = 0
    maglev_chunks: int = 0

    def full(self, before: Sequence[int] = (0,) * 5) -> str:
        """Return a map that should hold more than it can, and more than `before`; or nothing."""
        if not self.is_bounded:
            return ""
        for name, used, former in zip(_SETTINGS, self.counts, before, strict=True):
            if used > max(self.sizes[name], former):
                return name
        return ""

    @property
    def counts(self) -> tuple[int, ...]:
        """All of them, in the order of the maps above; to see whether any has become less."""
        return (
            self.frontends,
            self.sets,
            self.slots,
            self.source_ranges,
            self.maglev_chunks,
        )

    @property
    def used(self) -> Mapping[str, int]:
        """The same by the maps' names."""
        return dict(zip(_SETTINGS, self.counts, strict=True))

    @property
    def room(self) -> int | None:
        """How many more slots fit; None: any number."""
        return self.sizes["service_slots"] - self.slots if self.is_bounded else None

    def has_table_room(self, chunks: int) -> bool:
        """Whether one more Maglev table fits, of as many entries."""
        return self.maglev_chunks + chunks <= self.sizes["maglev_tables"]


def remedy(name: str, sizes: Mapping[str, int]) -> str:
    """Return what to say of a full map."""
    return (
        f"the map {name} has room for {sizes[name]} entries: raise {_SETTINGS[name]} (or"
        " bpf-lb-map-max for all), or delete Services"
    )

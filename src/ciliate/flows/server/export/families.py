"""What is measured of flow logs, as metric families. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ciliate.flows.server.export.counts import Counts
from ciliate.metrics.family import Family, FamilyKind


@dataclass(slots=True)
class ListState:
    """What became of the file that lists flow logs."""

    hash: int = 0  # Of what is in force.
    applied_s: float = 0.0  # Since 1970; 0: never.
    added: int = 0
    updated: int = 0
    removed: int = 0
    #: Whether each of the flow logs is written: one whose end has come is not.
    is_up: dict[str, bool] = field(default_factory=dict)


def list_families(state: ListState) -> Iterator[Family]:
    """Yield what is measured of flow logs that a file lists, by Hubble's names."""
    up = sum(state.is_up.values())
    prefix = "hubble_dynamic_exporter"
    yield Family(
        f"{prefix}_exporters_total",
        "Flow logs that a file lists, by whether they are written.",
        ("status",),
        [(("active",), up), (("inactive",), len(state.is_up) - up)],
    )
    yield Family(
        f"{prefix}_up",
        "Whether a flow log is written; 0: its end has come.",
        ("name",),
        [((name,), float(is_up)) for name, is_up in sorted(state.is_up.items())],
    )
    changes = (("add", state.added), ("remove", state.removed), ("update", state.updated))
    yield Family(
        f"{prefix}_reconfigurations_total",
        "Flow logs that were added, updated or removed.",
        ("op",),
        [((op,), count) for op, count in changes],
        FamilyKind.COUNTER,
    )
    yield Family(f"{prefix}_config_hash", "Of the list that is in force.", (), [((), state.hash)])
    yield Family(
        f"{prefix}_config_last_applied",
        "When that list was applied, in seconds since 1970.",
        (),
        [((), state.applied_s)],
    )


def log_families(counts: Mapping[str, Counts]) -> Iterator[Family]:
    """Yield what is measured of each flow log, by its path."""
    for name, meaning, values in (
        ("flows", "Flows that a flow log was given.", {p: c.flows for p, c in counts.items()}),
        ("lost", "Flows that a flow log says are lost.", {p: c.lost for p, c in counts.items()}),
        (
            "failures",
            "How often a flow log could not be written.",
            {p: c.failures for p, c in counts.items()},
        ),
    ):
        yield Family(
            f"ciliate_flow_log_{name}_total",
            meaning,
            ("path",),
            [((path,), value) for path, value in sorted(values.items())],
            FamilyKind.COUNTER,
        )

"""A path that drops what is longer than it carries, for tests without a network."""

from dataclasses import dataclass, field

from ciliate.cli.doctor.model import PathReport, PathStatus
from ciliate.cli.doctor.outcome import Outcome, OutcomeKind


@dataclass
class FakePath:
    """`there` and `back` are what each direction carries; a router tells `told` of longer ones."""

    there: int
    back: int = 65535
    told: int | None = None
    mute: bool = False
    refused_above: int = 65535
    losses: list[int] = field(
        default_factory=list
    )  # Numbers of questions that get lost by chance.
    pieces_pass: bool = True
    asked: list[int] = field(default_factory=list)

    async def ask(self, size: int, *, patience_s: float) -> Outcome:
        assert patience_s > 0
        self.asked.append(size)
        if size > self.refused_above:
            return Outcome(OutcomeKind.REFUSED, problem="Operation not permitted")
        if self.mute or len(self.asked) in self.losses:
            return Outcome(OutcomeKind.LOST)
        if self.told is not None and size > self.told:
            return Outcome(OutcomeKind.TOLD, 0.001, mtu=self.told, by="10.0.0.1")
        passes = size <= min(self.there, self.back)
        return Outcome(OutcomeKind.REPLIED, 0.001) if passes else Outcome(OutcomeKind.LOST)

    async def ask_in_pieces(self, size: int, *, passes: int, patience_s: float) -> Outcome:
        assert patience_s > 0
        comes = self.pieces_pass and passes <= self.there and size <= self.back
        return Outcome(OutcomeKind.REPLIED if comes else OutcomeKind.LOST)


def path_report(
    target: str = "192.0.2.1", status: PathStatus = PathStatus.FAILED, **fields: object
) -> PathReport:
    given = {"assumed": 1500, "device": "eth1", "mtu": 1500, **fields}
    return PathReport(target=target, status=status, **given)  # type: ignore[arg-type]

"""What is counted of one flow log. Pure."""

from dataclasses import dataclass


@dataclass(slots=True)
class Counts:
    """What it was given, what it says is lost, and how often it could not be written."""

    flows: int = 0
    lost: int = 0
    failures: int = 0

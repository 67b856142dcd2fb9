"""Settings of a run, from the command line: how long each question is measured, and against what."""

import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """Settings of a run.

    `rounds` is how many samples each candidate gives, `seconds` how long a sample of traffic lasts,
    `pods` how many pods of other nodes a cluster has where that is the question, `services` how many
    Services.
    Without `ciliate` only baseline and reference are measured: the harness's own test, and of use
    on a machine where the lab cannot run.
    """

    rounds: int
    seconds: int
    pods: int
    services: int
    ciliate: bool

    def show(self, step: str) -> None:
        """Say on standard error what is being measured now; a run takes many minutes."""
        print(f"  {step}", file=sys.stderr, flush=True)

"""Why a migration stopped, or does not begin; each says what to do."""

from collections.abc import Iterable, Mapping
from typing import Final

from ciliate.cli.ipam.migration.model import MigratingAgent, Problem
from ciliate.cli.process_agents import restart_by_hand
from ciliate.config.installation import Installation
from ciliate.errors import CiliateError

_NEXT = (
    "repair it and go on with `ciliate ipam migrate --resume`"
    " (`--set KEY=VALUE` corrects a setting), or take it back with `ciliate ipam migrate --back`"
)


#: How an operator is restarted that has no pod.
RESTART_OPERATOR: Final = (
    "where it runs, restart the unit that runs it (`systemctl restart UNIT`), or end"
    " `ciliate operator` and start it as it was started"
)


class MigrationError(CiliateError):
    """A migration that does not begin, or stopped."""


class StoppedError(MigrationError):
    """A step failed; the steps before it stand."""

    def __init__(self, text: str) -> None:
        super().__init__(f"{text}. Stopped here: {_NEXT}")


class OperatorNotReadyError(StoppedError):
    """No new operator became ready."""

    def __init__(self, names: Installation, timeout_s: float, trouble: str = "") -> None:
        operator = names.operator_deployment_name
        why = f" ({trouble})" if trouble else ""
        super().__init__(
            f"{operator} is not ready after {timeout_s:g} s{why}:"
            f" see `kubectl -n {names.namespace} logs deploy/{operator}`"
        )


class OperatorNotRestartedError(StoppedError):
    """The operator has no pod, and nobody restarted it."""

    def __init__(self, timeout_s: float) -> None:
        super().__init__(
            f"the operator, which has no pod that could be replaced, has not been restarted after"
            f" {timeout_s:g} s: {RESTART_OPERATOR}"
        )


class AgentNotRestartedError(StoppedError):
    """A node's agent has no pod, and nobody restarted it."""

    def __init__(self, node: str, timeout_s: float) -> None:
        self.node = node
        super().__init__(
            f"node {node}: not restarted after {timeout_s:g} s: {restart_by_hand([node])}"
        )


class AgentNotReadyError(StoppedError):
    """A node's new agent did not become ready; its pods go on with what the old one left."""

    def __init__(self, node: str, agent: MigratingAgent | None, timeout_s: float) -> None:
        self.node = node
        self.agent = agent
        pod = f"agent {agent.pod}" if agent is not None and agent.pod else "agent"
        why = f": {agent.trouble}" if agent is not None and agent.trouble else ""
        super().__init__(f"node {node}: its {pod} is not ready after {timeout_s:g} s{why}")


class NoCIDRsError(StoppedError):
    """A node did not get the CIDRs of the new mode."""

    def __init__(self, node: str, lacks: str, operator_said: str, timeout_s: float) -> None:
        self.node = node
        said = f": the operator says: {operator_said}" if operator_said else ""
        super().__init__(f"node {node}: still without {lacks} after {timeout_s:g} s{said}")


class EndpointsChangedError(StoppedError):
    """Pods that were there before have other addresses."""

    def __init__(self, node: str, pods: Mapping[str, tuple[str, ...]]) -> None:
        self.node = node
        self.pods = pods
        listed = ", ".join(f"{pod} (had {' '.join(had)})" for pod, had in sorted(pods.items()))
        super().__init__(f"node {node}: pods have other addresses than before: {listed}")


class NodeGoneError(StoppedError):
    """The node was removed during its step."""

    def __init__(self, node: str) -> None:
        self.node = node
        super().__init__(f"node {node} has left the cluster")


class RefusedError(MigrationError):
    """Problems were found before anything was changed."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        listed = "\n".join(f"  {problem}" for problem in self.problems)
        super().__init__(f"nothing was changed; what stands in the way:\n{listed}")


class PlanRefusedError(MigrationError):
    """A dry run has shown problems."""

    def __init__(self, count: int) -> None:
        self.count = count
        stand = "1 problem stands" if count == 1 else f"{count} problems stand"
        super().__init__(f"{stand} in the way: solve what is shown above first")


class UnderWayError(MigrationError):
    """Another migration was begun and has not ended."""

    def __init__(self, source: str, target: str) -> None:
        super().__init__(
            f"a migration from {source} to {target} is under way:"
            " go on with --resume, or take it back with --back"
        )


class NothingToResumeError(MigrationError):
    """No migration is under way."""

    def __init__(self) -> None:
        super().__init__("no migration is under way: begin one with --to MODE")


class NothingToTakeBackError(MigrationError):
    """There is no migration, or it has been taken back."""

    def __init__(self) -> None:
        super().__init__("there is no migration to take back: begin one with --to MODE")

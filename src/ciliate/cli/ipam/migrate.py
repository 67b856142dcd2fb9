"""`ciliate ipam migrate`: another IPAM mode for a running cluster, node by node.

The plan is made in `migration/plan.py` and carried out in `migration/executor.py`; here options
are parsed and results rendered.
"""

from collections.abc import Mapping

import click
import msgspec

from ciliate.cli.cluster import cluster_client, kubeconfig_option, run
from ciliate.cli.ipam.migration.cluster import MigrationCluster
from ciliate.cli.ipam.migration.errors import (
    NothingToResumeError,
    NothingToTakeBackError,
    PlanRefusedError,
    RefusedError,
    UnderWayError,
)
from ciliate.cli.ipam.migration.executor import Executor
from ciliate.cli.ipam.migration.model import (
    MODES,
    ClusterState,
    MigrationPhase,
    MigrationPlan,
    Record,
)
from ciliate.cli.ipam.migration.plan import changed_config, plan_migration
from ciliate.cli.ipam.migration.problems import refused_settings
from ciliate.cli.ipam.migration.text import render_plan
from ciliate.config.helm import read_changes
from ciliate.console.installation import installation
from ciliate.console.output import output_option, render
from ciliate.console.setting_names import offer_settings
from ciliate.errors import SettingError
from ciliate.kube.client import ApiClient
from ciliate.lab.progress import StepProgress


@click.command("migrate")
@click.option("--to", "target", type=click.Choice(MODES), help="The new IPAM mode.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    shell_complete=offer_settings,
    help="Further settings, as for helm.",
)
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@click.option("--resume", is_flag=True, help="Go on with a migration that was stopped or killed.")
@click.option("--back", is_flag=True, help="Take the last migration back, in reverse order.")
@click.option(
    "--node-timeout",
    "node_timeout_s",
    type=click.FloatRange(min=1),
    default=120.0,
    show_default=True,
    metavar="SECONDS",
    help="How long a node may take for each step.",
)
@kubeconfig_option
@output_option
def command(
    *,
    target: str | None,
    settings: tuple[str, ...],
    dry_run: bool,
    resume: bool,
    back: bool,
    node_timeout_s: float,
    kubeconfig: str,
    output: str | None,
) -> None:
    """Move a running cluster to another IPAM mode, node by node.

    Pods keep their addresses and connections; new ones get addresses of the new mode. It writes
    cilium-config, restarts the operator, then on one node after another the agent, and waits until
    the node has CIDRs of the new mode. It stops at the first failure.

    \b
    Examples:
      ciliate ipam migrate --to multi-pool --dry-run \\
          --set 'ipam.operator.autoCreateCiliumPodIPPools.default.ipv4.cidrs={10.50.0.0/16}' \\
          --set ipam.operator.autoCreateCiliumPodIPPools.default.ipv4.maskSize=26
      ciliate ipam migrate --to cluster-pool --set ipv4NativeRoutingCIDR=172.20.0.0/16 \\
          --set 'ipam.operator.clusterPoolIPv4PodCIDRList={172.20.0.0/16}'
      ciliate ipam migrate --back
    """  # noqa: D301 - click's mark for lines that stay as they are.
    if sum((target is not None, resume, back)) != 1:
        raise click.UsageError("give one of --to MODE, --resume and --back")
    if back and settings:
        raise click.UsageError("--back sets what was there before: leave --set out")
    changes: dict[str, str | None] = {**_changes(settings)}
    migration = _Migration(
        cluster_client(kubeconfig), changes, node_timeout_s, dry_run=dry_run, output=output
    )
    if target is not None:
        run(migration.begin(target))
    elif resume:
        run(migration.resume())
    else:
        run(migration.take_back())


def _changes(words: tuple[str, ...]) -> Mapping[str, str]:
    read = read_changes(words)
    if read.ip_masq_agent:
        raise SettingError(
            key="ipMasqAgent.config",
            value=" ".join(words),
            problem=f"is no setting of {installation().config_map}",
            remedy="change it apart from the IPAM mode",
        )
    if "ipam" in read.config:
        raise SettingError(
            key="ipam.mode",
            value=read.config["ipam"],
            problem="is what --to says",
            remedy="leave it out",
        )
    return read.config


class _Migration:
    """One call of the command."""

    def __init__(
        self,
        client: ApiClient,
        changes: Mapping[str, str | None],
        node_timeout_s: float,
        *,
        dry_run: bool,
        output: str | None,
    ) -> None:
        self._client = client
        self._cluster = MigrationCluster(client)
        self._changes = changes
        self._node_timeout_s = node_timeout_s
        self._dry_run = dry_run
        self._output = output

    async def begin(self, target: str) -> None:
        """Move the cluster to another mode.

        Raises:
            UnderWayError: Another migration has not ended.
            RefusedError: Problems were found beforehand.
        """
        async with self._client:
            earlier = await self._cluster.read_record()
            if earlier is not None and earlier.is_under_way and not self._dry_run:
                raise UnderWayError(earlier.source, earlier.target)
            state = await self._cluster.read_state()
            changes = {**self._changes, "ipam": target}
            plan = plan_migration(state, target, changes)
            if self._dry_run:
                self._show(plan)
                return
            if plan.refused:
                raise RefusedError(plan.refused)
            if not plan.keys:
                config_map = state.installation.config_map
                click.echo(f"{config_map} says all of this already: ipam is {target}")
                return
            await self._run(_record(state, target, changes))

    async def resume(self) -> None:
        """Resume a stopped migration; with new settings, from their writing on.

        Raises:
            NothingToResumeError: Nothing is under way.
            RefusedError: Agents or operator would refuse the settings.
        """
        async with self._client:
            record = await self._cluster.read_record()
            if record is None or not record.is_under_way:
                raise NothingToResumeError
            if self._changes:
                state = await self._cluster.read_state()
                former = {key: state.config.get(key) for key in self._changes}
                record = msgspec.structs.replace(
                    record,
                    changes={**record.changes, **self._changes},
                    former={**former, **record.former},
                    phase=MigrationPhase.SETTINGS.value,
                    agents={},  # Every agent must read them: nodes that were done restart again.
                    nodes=tuple(node.name for node in state.nodes),
                )
                config = changed_config(state.config, record.changes)
                refused = tuple(refused_settings(config, state.installation.config_map))
                if refused and not self._dry_run:
                    raise RefusedError(refused)
            if self._dry_run:
                self._show(
                    plan_migration(await self._cluster.read_state(), record.target, record.changes)
                )
                return
            await self._run(record)

    async def take_back(self) -> None:
        """Set the former settings again, and take the nodes in reverse order.

        Raises:
            NothingToTakeBackError: There is no migration to take back.
        """
        async with self._client:
            record = await self._cluster.read_record()
            if record is None or (record.taking_back and not record.is_under_way):
                raise NothingToTakeBackError
            if not record.taking_back:
                record = msgspec.structs.replace(
                    record,
                    source=record.target,
                    target=record.source,
                    changes=record.former,
                    former=record.changes,
                    nodes=record.nodes[::-1],
                    phase=MigrationPhase.SETTINGS.value,
                    taking_back=True,
                )
            if self._dry_run:
                self._show(
                    plan_migration(await self._cluster.read_state(), record.target, record.changes)
                )
                return
            await self._run(record)

    async def _run(self, record: Record) -> None:
        with StepProgress(quiet=self._output is not None) as progress:
            executor = Executor(self._cluster, progress, self._node_timeout_s)
            ended = await executor.run(record)
        if self._output is not None:
            click.echo(render(ended, self._output), nl=False)
            return
        click.echo(
            f"IPAM mode {ended.target} on {len(ended.nodes)} nodes."
            " Pods keep their addresses until they are restarted;"
            " what drains meanwhile: `ciliate ipam status`."
        )

    def _show(self, plan: MigrationPlan) -> None:
        if self._output is not None:
            click.echo(render(plan, self._output), nl=False)
        else:
            click.echo(render_plan(plan, self._cluster.names), nl=False)
        if plan.refused:
            raise PlanRefusedError(len(plan.refused))


def _record(state: ClusterState, target: str, changes: Mapping[str, str | None]) -> Record:
    return Record(
        source=state.mode,
        target=target,
        changes=dict(changes),
        former={key: state.config.get(key) for key in changes},
        nodes=tuple(node.name for node in state.nodes),
    )

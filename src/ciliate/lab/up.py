"""`lab up`: decides whether there is anything to do, and does it, under the lab's lock."""

from typing import TYPE_CHECKING

from ciliate.config.helm import HelmChanges, read_changes
from ciliate.config.values import read_bool
from ciliate.errors import SettingError
from ciliate.flows.relay.objects import NAME as RELAY
from ciliate.flows.ui.objects import NAME as UI
from ciliate.lab.errors import LabError
from ciliate.lab.interruption import signals_noted
from ciliate.lab.paths import LabPaths
from ciliate.lab.preflight import check_machine
from ciliate.lab.processes import alive
from ciliate.lab.progress import StepProgress
from ciliate.lab.start import LabRequest, LabStart
from ciliate.lab.state import Checkout, LabState, Phase, locked, read_state
from ciliate.lab.tear_down import tear_down
from ciliate.lab.topology import counted

if TYPE_CHECKING:
    from collections.abc import Sequence


class OtherLabError(LabError):
    """A lab of this name is up, but not the one that is asked for."""

    def __init__(self, *, name: str, differences: "Sequence[str]", remedy: str) -> None:
        self.name = name
        self.differences = tuple(differences)
        super().__init__(f"lab {name!r} is up with {', '.join(differences)}: {remedy}")


class ResourceError(LabError):
    """The machine refused the lab something."""

    def __init__(self, *, name: str, error: OSError) -> None:
        self.errno = error.errno
        what = f" ({error.filename})" if error.filename else ""
        super().__init__(
            f"lab {name!r} could not be made: {error.strerror or error}{what}: "
            f"`ciliate lab down --name {name}` clears away what there is"
        )


def ensure_up(
    paths: LabPaths,
    *,
    nodes: int,
    values: tuple[str, ...],
    dual_stack: bool,
    dns: bool = True,
    monitoring: bool = False,
    quiet: bool = False,
) -> LabState:
    """Return the lab when it is up, having started it unless it was.

    Raises:
        LabError: It cannot be started, or is up and different.
        KeyboardInterrupt: SIGINT came meanwhile; nothing of the lab is left.
        SystemExit: The same of SIGTERM or SIGHUP.
        SettingError: A word of `values` is not understood.
        RefusedSettingsError: Agents or operator would not start with it.
    """
    changes = read_changes(values)
    _check(changes, dual_stack=dual_stack)
    request = LabRequest(
        nodes=nodes,
        dual_stack=dual_stack,
        dns=dns,
        monitoring=monitoring,
        parts=_parts(changes, dns=dns),
        said_of_parts=changes.parts,
        settings=changes.config,
        values=values,
        ip_masq_agent=changes.ip_masq_agent,
    )
    check_machine(monitoring=monitoring)
    with signals_noted() as noted, StepProgress(quiet=quiet) as progress, locked(paths):
        present = _present(paths)
        if present is not None:
            _compare(paths, present, request)
            progress.done(f"lab {paths.name} is up already")
            return present
        if tear_down(paths):
            progress.done("cleared away what a former start had left")
        for warning in changes.warnings():
            progress.done(f"warning: {warning}")
        try:
            return noted.run(LabStart(paths, request, progress).run)
        except OSError as error:
            # No space, no memory, a limit: of files, threads or descriptors.
            raise ResourceError(name=paths.name, error=error) from error
        except (KeyboardInterrupt, SystemExit):
            progress.doing("clearing away")
            tear_down(paths)
            progress.done("interrupted: what was made is cleared away")
            raise


def _parts(changes: HelmChanges, *, dns: bool) -> tuple[str, ...]:
    """Return which of Hubble's parts the lab has.

    The relay finds agents by name, if they answer it at all; the page asks the relay.

    Raises:
        SettingError: The page is wanted in so many words, and the relay is not to be there.
    """
    said = changes.parts
    may_be = dns and changes.config.get("hubble-listen-address") != ""
    is_on = read_bool(changes.config.get("enable-hubble", "true"))
    if not (may_be and said.get(RELAY, is_on)):
        if said.get(UI):
            raise SettingError(
                key="hubble.ui.enabled",
                value="true",
                problem="needs the relay, which this lab would not have",
                remedy="leave it away, or the setting that keeps the relay away (or --no-dns)",
            )
        return ()
    return (RELAY, UI) if said.get(UI, True) else (RELAY,)


def _check(changes: HelmChanges, *, dual_stack: bool) -> None:
    """Refuse what would stop agents or operator, before the lab is made."""
    if not changes.config:
        return
    from ciliate.lab.manifests import cilium_config  # noqa: PLC0415 - with its imports 80 ms.
    from ciliate.operator.refusal import check_change  # noqa: PLC0415 - likewise.

    start = cilium_config(dual_stack=dual_stack, changes={})
    check_change(start, {**start, **changes.config})


def _present(paths: LabPaths) -> LabState | None:
    """The lab, if it came up and all of its processes still run."""
    try:
        state = read_state(paths)
    except LabError:
        return None
    if state.phase is not Phase.UP or not all(alive(paths).values()):
        return None
    return state


def _compare(paths: LabPaths, present: LabState, request: LabRequest) -> None:
    differences = []
    remedy = f"`ciliate lab down --name {paths.name}` first"
    own = Checkout.own()
    if present.checkout != str(own.path):
        differences.append(f"the code of {present.checkout}")
        remedy = f"choose another --name, such as {own.own_lab_name}"
    if len(present.nodes) != request.nodes:
        differences.append(counted(len(present.nodes), "node"))
        remedy += ", or `ciliate lab add-node`"
    if present.dual_stack != request.dual_stack:
        differences.append("IPv6" if present.dual_stack else "IPv4 alone")
    if present.dns != request.dns:
        differences.append("a name server" if present.dns else "no name server")
    if request.monitoring and not present.monitoring:
        differences.append("no Prometheus")
    for part, wanted in request.said_of_parts.items():
        if wanted != (part in present.parts):
            differences.append(f"no {part}" if wanted else part)
    unmet = [key for key, value in request.settings.items() if present.settings.get(key) != value]
    if unmet:
        differences.append(f"other values of {', '.join(unmet)}")
        remedy += ", or `ciliate lab upgrade --set`"
    if differences:
        raise OtherLabError(name=paths.name, differences=differences, remedy=remedy)

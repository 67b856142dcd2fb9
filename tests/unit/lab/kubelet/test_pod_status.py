from typing import Any

from msgspec import structs

from ciliate.api.metadata import Condition
from ciliate.lab.kubelet.pod_state import ContainerRecord, ExitRecord, PodRecord, SandboxRecord
from ciliate.lab.kubelet.pod_status import (
    Observation,
    Waiting,
    compute_status,
    is_over,
    patch_of,
    phase_of,
)
from ciliate.lab.objects import Container, Json, Pod, PodMeta, PodSpec, PodStatus

NOW = "2025-07-01T12:00:00Z"


def record_of(*containers: ContainerRecord, ips: tuple[str, ...] = ("10.0.0.2",)) -> PodRecord:
    return PodRecord(
        uid="u",
        namespace="default",
        name="p",
        sandbox=SandboxRecord("c", "cni-1", "{}", result={"ips": []}, ips=list(ips)),
        containers={container.name: container for container in containers},
    )


def pod_of(*names: str, policy: str = "Always", init: tuple[str, ...] = ()) -> Pod:
    return Pod(
        metadata=PodMeta(name="p"),
        spec=PodSpec(
            restart_policy=policy,
            containers=tuple(Container(name, image="busybox") for name in names),
            init_containers=tuple(Container(name) for name in init),
        ),
    )


def status_of(pod: Pod, record: PodRecord, **rest: Any) -> Json:
    facts: dict[str, Any] = {"host_ips": ("192.168.10.100",), "now": NOW, **rest}
    return compute_status(pod, Observation(record=record, **facts))


def running(name: str, *, ready: bool = True) -> ContainerRecord:
    return ContainerRecord(
        name,
        pid=7,
        started_at=NOW,
        started_once=True,
        started=True,
        passed=True,
        ready=ready,
    )


def ended(name: str, code: int) -> ContainerRecord:
    reason = "Completed" if code == 0 else "Error"
    exit_record = ExitRecord(code, reason, NOW, NOW, "id")
    return ContainerRecord(name, started_once=True, passed=True, exit=exit_record)


def condition(status: Json, kind: str) -> Json:
    found: Json = next(c for c in status["conditions"] if c["type"] == kind)
    return found


def test_pod_with_all_containers_ready_is_ready() -> None:
    status = status_of(pod_of("a"), record_of(running("a")))

    assert status["phase"] == "Running"
    assert status["podIP"] == "10.0.0.2"
    assert status["podIPs"] == [{"ip": "10.0.0.2"}]
    assert condition(status, "Ready")["status"] == "True"
    assert status["containerStatuses"][0]["state"] == {"running": {"startedAt": NOW}}


def test_pod_without_network_is_pending_and_has_no_address() -> None:
    record = record_of()
    record.sandbox = None

    status = status_of(pod_of("a"), record)

    assert status["phase"] == "Pending"
    assert "podIP" not in status
    assert status["containerStatuses"][0]["state"] == {"waiting": {"reason": "ContainerCreating"}}
    assert condition(status, "PodReadyToStartContainers")["status"] == "False"


def test_failed_add_gives_no_address_yet() -> None:
    record = record_of()
    assert record.sandbox is not None
    record.sandbox.result = None

    assert "podIP" not in status_of(pod_of("a"), record)


def test_unready_container_is_named() -> None:
    status = status_of(pod_of("a", "b"), record_of(running("a"), running("b", ready=False)))

    ready = condition(status, "Ready")
    assert ready["status"] == "False"
    assert ready["reason"] == "ContainersNotReady"
    assert ready["message"] == "containers with unready status: [b]"


def test_transition_time_stays_while_the_status_does() -> None:
    before = status_of(pod_of("a"), record_of(running("a")), now="2025-07-01T00:00:00Z")

    after = status_of(pod_of("a"), record_of(running("a")), previous=before)
    changed = status_of(pod_of("a"), record_of(running("a", ready=False)), previous=before)

    assert condition(after, "Ready")["lastTransitionTime"] == "2025-07-01T00:00:00Z"
    assert condition(changed, "Ready")["lastTransitionTime"] == NOW


def test_same_facts_give_the_same_status() -> None:
    """What is compared before each write: no patch without a change."""
    before = status_of(pod_of("a"), record_of(running("a")), now="2025-07-01T00:00:00Z")

    assert status_of(pod_of("a"), record_of(running("a")), previous=before) == before


def test_phase_follows_the_restart_policy() -> None:
    assert status_of(pod_of("a", policy="Never"), record_of(ended("a", 0)))["phase"] == "Succeeded"
    assert status_of(pod_of("a", policy="Never"), record_of(ended("a", 3)))["phase"] == "Failed"
    failed_once = record_of(ended("a", 3))
    assert status_of(pod_of("a", policy="OnFailure"), failed_once)["phase"] == "Running"
    assert status_of(pod_of("a"), record_of(ended("a", 0)))["phase"] == "Running"


def test_waiting_reason_shows_with_the_last_end() -> None:
    crashed = ended("a", 4)
    crashed.last_exit = ended("a", 3).exit
    crashed.restart_count = 2

    status = status_of(
        pod_of("a"), record_of(crashed), waiting={"a": Waiting("CrashLoopBackOff", "back-off 10s")}
    )

    container = status["containerStatuses"][0]
    assert container["state"]["waiting"] == {
        "reason": "CrashLoopBackOff",
        "message": "back-off 10s",
    }
    assert container["lastState"]["terminated"]["exitCode"] == 4
    assert container["restartCount"] == 2


def test_unfinished_init_container_keeps_the_pod_pending() -> None:
    status = status_of(pod_of("a", init=("i",)), record_of(running("i")))

    assert status["phase"] == "Pending"
    assert condition(status, "Initialized")["status"] == "False"


def test_pods_first_address_is_of_the_nodes_family() -> None:
    record = record_of(ips=("fd00::2", "10.0.0.2"))

    assert status_of(pod_of("a"), record)["podIP"] == "10.0.0.2"
    assert status_of(pod_of("a"), record, host_ips=("fd00::1",))["podIP"] == "fd00::2"


def with_sidecar(*names: str, policy: str = "Never") -> Pod:
    sidecar = Container("side", restart_policy="Always")
    pod = pod_of(*names, policy=policy, init=("i",))
    first, *_ = pod.spec.init_containers
    return structs.replace(pod, spec=structs.replace(pod.spec, init_containers=(sidecar, first)))


def test_sidecar_that_runs_lets_the_next_container_start() -> None:
    pod = with_sidecar("a")

    before = status_of(pod, record_of(running("side")))
    after = status_of(pod, record_of(running("side"), ended("i", 0), running("a")))

    message = condition(before, "Initialized")["message"]
    assert message == "containers with incomplete status: [i]"
    assert condition(after, "Initialized")["status"] == "True"
    assert after["phase"] == "Running"


def test_pod_is_over_when_its_sidecars_have_ended_too() -> None:
    pod = with_sidecar("a")
    left = record_of(running("side"), ended("i", 0), ended("a", 0))
    gone = record_of(ended("side", 143), ended("i", 0), ended("a", 0))
    refused = record_of(running("side"), ended("i", 1))

    assert is_over(pod, left)
    assert phase_of(pod, left) == "Running"
    assert phase_of(pod, gone) == "Succeeded"
    assert is_over(pod, refused)
    assert phase_of(pod, refused) == "Pending"


def test_unready_sidecar_makes_the_pod_unready() -> None:
    record = record_of(running("side", ready=False), ended("i", 0), running("a"))

    ready = condition(status_of(with_sidecar("a"), record), "Ready")

    assert ready["message"] == "containers with unready status: [side]"


def test_container_that_has_not_started_is_shown_as_one() -> None:
    state = running("a", ready=False)
    state.started = False

    shown = status_of(pod_of("a"), record_of(state))["containerStatuses"][0]

    assert (shown["started"], list(shown["state"])) == (False, ["running"])


def test_container_whose_post_start_hook_runs_is_waiting() -> None:
    waiting = {"a": Waiting("ContainerCreating")}

    shown = status_of(pod_of("a"), record_of(running("a", ready=False)), waiting=waiting)

    state = shown["containerStatuses"][0]["state"]
    assert state == {"waiting": {"reason": "ContainerCreating"}}


def test_sidecar_holds_the_next_container_back_until_it_has_started() -> None:
    side = running("side", ready=False)
    side.started = side.passed = False

    status = status_of(with_sidecar("a"), record_of(side))

    assert condition(status, "Initialized")["message"].endswith("[side i]")


def test_pod_goes_on_while_a_probe_has_a_container_start_again() -> None:
    state = ended("a", 0)
    state.restart_wanted = True

    assert phase_of(pod_of("a", policy="OnFailure"), record_of(state)) == "Running"


def test_a_readiness_gate_holds_the_pod_back_until_somebody_opens_it() -> None:
    """Containers are ready before; only the pod is not."""
    gate = {"conditionType": "example.org/served"}
    base = pod_of("a")
    pod = structs.replace(base, spec=structs.replace(base.spec, readiness_gates=(gate,)))

    def ready(*conditions: Condition) -> tuple[str, str, str]:
        seen = structs.replace(pod, status=PodStatus(conditions=conditions))
        found = {c["type"]: c for c in status_of(seen, record_of(running("a")))["conditions"]}
        assert found["ContainersReady"]["status"] == "True"
        return tuple(found["Ready"].get(key, "") for key in ("status", "reason", "message"))

    missing = 'corresponding condition of pod readiness gate "example.org/served" does not exist.'
    closed = 'the status of pod readiness gate "example.org/served" is not "True", but False'
    assert ready() == ("False", "ReadinessGatesNotReady", missing)
    told = Condition(type="example.org/served", status="False")
    assert ready(told) == ("False", "ReadinessGatesNotReady", closed)
    assert ready(structs.replace(told, status="True")) == ("True", "", "")


def test_a_patch_replaces_addresses_and_leaves_the_conditions_of_others() -> None:
    status = status_of(pod_of("a"), record_of(running("a")))

    patch = patch_of(status)

    assert patch["podIPs"] == [{"$patch": "replace"}, {"ip": "10.0.0.2"}]
    assert patch["hostIPs"][0] == {"$patch": "replace"}
    assert patch["conditions"] == status["conditions"]

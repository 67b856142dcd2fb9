from typing import Any

import pytest
from tests.unit.lab.kubelet.pod_samples import container_of, facts_of, pod_of

from ciliate.lab.kubelet.configuration import Configuration, Reference, Source, references_of
from ciliate.lab.kubelet.environment import expand, variables_of
from ciliate.lab.kubelet.errors import ContainerConfigError

HELD = Configuration(
    "shop",
    {
        Reference(Source.CONFIG_MAP, "conf"): {"A": b"1", "B": b"two words", "no=name": b"x"},
        Reference(Source.SECRET, "keys"): {"P": b"hidden", "binary": b"\xff"},
    },
)


def variables(configuration: Configuration = HELD, **fields: Any) -> dict[str, str]:
    """The variables of a container with these fields."""
    container = container_of(**fields)
    return variables_of(facts_of(pod_of(container)), container, configuration, {})


def value_from(kind: str, **fields: Any) -> str | None:
    """The value of one variable that comes from something, or None: it is not set."""
    return variables(env=[{"name": "X", "valueFrom": {kind: fields}}]).get("X")


def test_whole_objects_come_with_a_prefix_and_names_that_variables_can_have() -> None:
    found = variables(
        envFrom=[
            {"configMapRef": {"name": "conf"}},
            {"prefix": "S_", "secretRef": {"name": "conf", "optional": True}},
            {"prefix": "C_", "configMapRef": {"name": "conf"}},
        ]
    )

    assert found == {"A": "1", "B": "two words", "C_A": "1", "C_B": "two words"}


def test_own_variables_replace_those_of_whole_objects_and_may_name_them() -> None:
    found = variables(
        envFrom=[{"configMapRef": {"name": "conf"}}],
        env=[{"name": "TWICE", "value": "$(A)$(A)"}, {"name": "A", "value": "own"}],
    )

    assert found == {"A": "own", "B": "two words", "TWICE": "11"}


def test_variables_name_only_those_before_them() -> None:
    found = variables(
        env=[
            {"name": "EARLY", "value": "$(LATE)-$(HOME)"},
            {"name": "LATE", "value": "$(EARLY)|$$(EARLY)"},
        ]
    )

    assert found == {
        "EARLY": "$(LATE)-$(HOME)",
        "LATE": "$(LATE)-$(HOME)|$(EARLY)",
    }


def test_value_from_elsewhere_is_taken_as_it_is() -> None:
    held = Configuration("shop", {Reference(Source.CONFIG_MAP, "conf"): {"A": b"$(B) $$"}})
    source = {"configMapKeyRef": {"name": "conf", "key": "A"}}

    found = variables(held, env=[{"name": "B", "value": "1"}, {"name": "A", "valueFrom": source}])

    assert found["A"] == "$(B) $$"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "web-1"),
        ("metadata.namespace", "shop"),
        ("metadata.uid", "u1"),
        ("metadata.labels['app']", "web"),
        ("metadata.labels['none']", ""),
        ("metadata.annotations['note']", "two\nlines"),
        ("spec.nodeName", "n1"),
        ("spec.serviceAccountName", "default"),
        ("status.hostIP", "192.168.10.101"),
        ("status.hostIPs", "192.168.10.101,fd01::101"),
        ("status.podIP", "10.0.0.2"),
        ("status.podIPs", "10.0.0.2,fd00::2"),
    ],
)
def test_field_of_the_pod_is_told(path: str, value: str) -> None:
    assert value_from("fieldRef", fieldPath=path) == value


@pytest.mark.parametrize(
    ("resource", "divisor", "value"),
    [
        ("requests.cpu", "1m", "100"),
        ("requests.cpu", "0", "1"),
        ("limits.memory", "1Mi", "64"),
        ("limits.memory", "1", "67108864"),
        ("limits.cpu", "1", "2"),
        ("requests.memory", "1", "0"),
    ],
)
def test_resource_of_a_container_is_told_in_whole_divisors(
    resource: str, divisor: str, value: str
) -> None:
    """A limit that is not set is what the node has; a part of a divisor counts as a whole one."""
    found = variables(
        resources={"requests": {"cpu": "100m"}, "limits": {"memory": "64Mi"}},
        env=[
            {
                "name": "X",
                "valueFrom": {"resourceFieldRef": {"resource": resource, "divisor": divisor}},
            }
        ],
    )

    assert found["X"] == value


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("configMapKeyRef", {"name": "conf", "key": "C"}),
        ("configMapKeyRef", {"name": "none", "key": "A"}),
        ("secretKeyRef", {"name": "keys", "key": "Q"}),
        ("secretKeyRef", {"name": "none", "key": "P"}),
    ],
)
def test_optional_source_that_is_absent_sets_no_variable(kind: str, fields: Any) -> None:
    assert value_from(kind, optional=True, **fields) is None


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        ("configMapKeyRef", {"name": "none", "key": "A"}, 'configmap "none" not found'),
        ("secretKeyRef", {"name": "none", "key": "P"}, 'secret "none" not found'),
        ("secretKeyRef", {"name": "keys", "key": "Q"}, "couldn't find key Q in Secret shop/keys"),
        ("secretKeyRef", {"name": "keys", "key": "binary"}, "variable X is not UTF-8"),
        ("fieldRef", {"fieldPath": "spec.nope"}, "unsupported fieldPath: spec.nope"),
        ("resourceFieldRef", {"resource": "cpu"}, "unsupported container resource : cpu"),
        (
            "resourceFieldRef",
            {"resource": "limits.cpu", "containerName": "z"},
            "container z not found",
        ),
    ],
)
def test_source_that_is_not_there_is_named(kind: str, fields: Any, message: str) -> None:
    with pytest.raises(ContainerConfigError, match=message):
        value_from(kind, **fields)


def test_whole_object_that_is_not_there_is_named() -> None:
    with pytest.raises(ContainerConfigError, match='secret "none" not found'):
        variables(envFrom=[{"secretRef": {"name": "none"}}])


def test_expansion_leaves_shell_substitutions_alone() -> None:
    assert expand("echo $HOME ${A} $(A) $(date) $(", {"A": "1"}) == "echo $HOME ${A} 1 $(date) $("


def test_objects_that_any_container_names_are_the_pods() -> None:
    first = container_of(envFrom=[{"secretRef": {"name": "keys"}}])
    source = {"configMapKeyRef": {"name": "conf", "key": "A"}}
    second = container_of(name="d", env=[{"name": "A", "valueFrom": source}])
    pod = pod_of(
        second, initContainers=[{"name": "c", "envFrom": [{"secretRef": {"name": "keys"}}]}]
    )

    assert references_of(pod, first) == {Reference(Source.SECRET, "keys")}
    assert references_of(pod) == {
        Reference(Source.SECRET, "keys"),
        Reference(Source.CONFIG_MAP, "conf"),
    }

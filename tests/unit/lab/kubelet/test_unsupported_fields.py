from typing import Any

import pytest
from tests.unit.lab.kubelet.pod_samples import container_of, pod_of

from ciliate.lab.kubelet.unsupported_fields import unsupported_field


def found(spec: dict[str, Any], container: dict[str, Any], *, is_init: bool = False) -> str:
    """The field that a pod waits for, by its spec's and its container's fields."""
    sample = container_of(**container)
    return unsupported_field(pod_of(sample, **spec), sample, is_init=is_init)


@pytest.mark.parametrize(
    ("spec", "container", "field"),
    [
        ({"resourceClaims": [{"name": "gpu"}]}, {}, "spec.resourceClaims"),
        ({"runtimeClassName": "gvisor"}, {}, "spec.runtimeClassName: 'gvisor'"),
        ({"hostUsers": False}, {}, "spec.hostUsers"),
        ({"activeDeadlineSeconds": 0}, {}, "spec.activeDeadlineSeconds"),
        ({"setHostnameAsFQDN": True}, {}, "spec.setHostnameAsFQDN"),
        (
            {"securityContext": {"sysctls": [{"name": "a", "value": "1"}]}},
            {},
            "spec.securityContext.sysctls",
        ),
        ({}, {"volumeDevices": [{"name": "d"}]}, "spec.containers[c].volumeDevices"),
        ({}, {"resources": {"claims": [{"name": "g"}]}}, "spec.containers[c].resources.claims"),
        (
            {},
            {"securityContext": {"seccompProfile": {"type": "Localhost"}}},
            "spec.containers[c].securityContext.seccompProfile",
        ),
    ],
)
def test_field_that_a_lab_does_not_act_on_is_named(
    spec: dict[str, Any], container: dict[str, Any], field: str
) -> None:
    message = found(spec, container)

    assert message.startswith(field)


def test_field_of_an_init_container_is_named_as_one() -> None:
    assert found({}, {"volumeDevices": [{}]}, is_init=True).startswith("spec.initContainers[c].")


def test_fields_that_change_nothing_do_not_hold_a_pod_up() -> None:
    security = {
        "seccompProfile": {"type": "RuntimeDefault"},
        "procMount": "Default",
        "sysctls": [],
        "runAsUser": 7,
    }
    spec = {"hostUsers": True, "priorityClassName": "high", "securityContext": security}

    hooks = {"postStart": {"exec": {"command": ["x"]}}}
    container = {"securityContext": security, "imagePullPolicy": "Always", "lifecycle": hooks}
    assert not found(spec, container)

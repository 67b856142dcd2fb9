"""What the server says of objects that it takes but that do not do what they seem to."""

from typing import Any

import pytest

from ciliate.apiserver.kinds import built_in
from ciliate.apiserver.object_warnings import object_warnings

KINDS = {resource.id: resource for resource in built_in()}


def said(kind: str, new: dict[str, Any], old: dict[str, Any] | None = None) -> list[str]:
    return list(object_warnings(KINDS[kind], new, old))


def pod(name: str = "p", /, *, annotations: Any = None, **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, "annotations": annotations or {}}
    return {"metadata": metadata, "spec": {"containers": [{"name": "c"}], **spec}}


def container(**fields: Any) -> dict[str, Any]:
    return {"name": "c", **fields}


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        (pod(), []),
        (
            pod("a.b"),
            [
                (
                    "metadata.name: this is used in the Pod's hostname, which can result in surprising "
                    "behavior; a DNS label is recommended: [must not contain dots]"
                )
            ],
        ),
        (
            pod(
                containers=[
                    container(
                        env=[
                            {"name": "A", "value": "1"},
                            {"name": "A", "value": "2"},
                            {"name": "A", "value": "$(A) more"},
                            {"name": "A", "value": "$(A)"},
                            {"name": "A", "valueFrom": {}},
                        ]
                    )
                ]
            ),
            [
                f'spec.containers[0].env[{n}]: hides previous definition of "A", which may be '
                "dropped when using apply"
                for n in (1, 3, 4)
            ],
        ),
        (
            pod(
                initContainers=[container(ports=[{"containerPort": 80, "protocol": "TCP"}])],
                containers=[
                    container(ports=[{"containerPort": 80, "protocol": "UDP"}]),
                    container(ports=[{"containerPort": 80, "protocol": "TCP"}]),
                ],
            ),
            [
                (
                    "spec.containers[1].ports[0]: duplicate port definition with "
                    "spec.initContainers[0].ports[0]"
                )
            ],
        ),
        (
            pod(containers=[container(resources={"requests": {"memory": "500m", "cpu": "500m"}})]),
            [
                (
                    'spec.containers[0].resources.requests[memory]: fractional byte value "500m" is '
                    "invalid, must be an integer"
                )
            ],
        ),
        (
            pod(nodeSelector={"beta.kubernetes.io/os": "linux"}),
            [
                (
                    "spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "
                    '"kubernetes.io/os" instead'
                )
            ],
        ),
        (
            pod(annotations={"seccomp.security.alpha.kubernetes.io/pod": "x"}),
            [
                (
                    "metadata.annotations[seccomp.security.alpha.kubernetes.io/pod]: non-functional "
                    'in v1.27+; use the "seccompProfile" field instead'
                )
            ],
        ),
        (
            pod(volumes=[{"name": "v", "gitRepo": {}}]),
            ["spec.volumes[0].gitRepo: deprecated in v1.11"],
        ),
        (
            pod(imagePullSecrets=[{"name": "a"}, {"name": "a"}, {}]),
            [
                'spec.imagePullSecrets[2].name: invalid empty name ""',
                'spec.imagePullSecrets[1].name: duplicate name "a"',
            ],
        ),
        (
            pod(hostAliases=[{"ip": "::1"}, {"ip": "::1"}]),
            ['spec.hostAliases[1].ip: duplicate ip "::1"'],
        ),
        (
            pod(topologySpreadConstraints=[{"topologyKey": "x"}]),
            [
                (
                    "spec.topologySpreadConstraints[0].labelSelector: a null labelSelector results in "
                    "matching no pod"
                )
            ],
        ),
    ],
)
def test_warnings_of_pods(obj: dict[str, Any], expected: list[str]) -> None:
    assert said("pods", obj) == expected
    assert said("pods", obj, obj) == []


def test_templates_are_warned_of_when_they_are_written() -> None:
    env = [{"name": "A"}, {"name": "A"}]
    template = {"spec": {"containers": [container(env=env)]}}
    new: dict[str, Any] = {"metadata": {"name": "d"}, "spec": {"template": template}}
    old = {**new, "spec": {**new["spec"], "replicas": 2}}

    assert said("deployments.apps", new, old) == [
        (
            'spec.template.spec.containers[0].env[1]: hides previous definition of "A", which may be '
            "dropped when using apply"
        )
    ]
    assert said("deployments.apps", new, new) == []


def test_warnings_of_services() -> None:
    spec = {
        "clusterIP": "None",
        "sessionAffinity": "ClientIP",
        "externalIPs": ["192.0.2.1", "2001:DB8::0:1"],
    }

    assert said("services", {"metadata": {"name": "s"}, "spec": spec}) == [
        "spec.externalIPs is ignored for headless services",
        "spec.SessionAffinity is ignored for headless services",
        (
            'spec.externalIPs[1]: IPv6 address "2001:DB8::0:1" should be in RFC 5952 canonical format '
            '("2001:db8::1")'
        ),
    ]

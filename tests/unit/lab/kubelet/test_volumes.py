from typing import Any

import pytest
from tests.unit.lab.kubelet.pod_samples import container_of, facts_of, pod_of

from ciliate.lab.kubelet.configuration import Configuration, Reference, Source
from ciliate.lab.kubelet.errors import VolumeError
from ciliate.lab.kubelet.volumes import (
    TokenAsk,
    VolumeFile,
    Volumes,
    token_asks,
    volume_references,
    volumes_of,
)

HELD = Configuration(
    "shop",
    {
        Reference(Source.CONFIG_MAP, "conf"): {"a.conf": b"1", "b.conf": b"2"},
        Reference(Source.SECRET, "keys"): {"P": b"\xff\0"},
    },
)


#: Of the API server itself, and of somebody else.
TOKENS = {TokenAsk("", 3600): "own", TokenAsk("vault", 600): "other"}


def volumes(*declared: Any) -> Volumes:
    """What volumes of a pod hold."""
    container = container_of(resources={"limits": {"memory": "64Mi"}})
    return volumes_of(facts_of(pod_of(container, volumes=list(declared))), HELD, TOKENS)


def test_objects_show_all_they_hold_or_what_is_chosen_with_its_mode() -> None:
    item = {"key": "b.conf", "path": "etc/b", "mode": 0o600}

    found = volumes(
        {"name": "all", "configMap": {"name": "conf", "defaultMode": 0o444}},
        {"name": "one", "configMap": {"name": "conf", "items": [item]}},
        {"name": "binary", "secret": {"secretName": "keys"}},
        {"name": "none", "secret": {"secretName": "nope", "optional": True}},
        {"name": "scratch", "emptyDir": {"medium": "Memory"}},
        {"name": "node", "hostPath": {"path": "/etc"}},
    )

    assert found == {
        "all": {"a.conf": VolumeFile(b"1", 0o444), "b.conf": VolumeFile(b"2", 0o444)},
        "one": {"etc/b": VolumeFile(b"2", 0o600)},
        "binary": {"P": VolumeFile(b"\xff\0", 0o644)},
        "none": {},
        "scratch": None,
    }


def test_pod_is_told_of_itself_in_files() -> None:
    limit = {"containerName": "c", "resource": "limits.memory", "divisor": "1Mi"}
    items = [
        {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
        {"path": "note", "fieldRef": {"fieldPath": "metadata.annotations['note']"}},
        {"path": "mem", "resourceFieldRef": limit, "mode": 0o400},
    ]

    assert volumes({"name": "d", "downwardAPI": {"items": items}})["d"] == {
        "labels": VolumeFile(b'app="web"\ntier="a\\"b"'),
        "note": VolumeFile(b"two\nlines"),
        "mem": VolumeFile(b"64", 0o400),
    }


def test_projected_volume_shows_all_its_sources() -> None:
    sources = [
        {"configMap": {"name": "conf", "items": [{"key": "a.conf", "path": "a"}]}},
        {"secret": {"name": "keys"}},
        {"downwardAPI": {"items": [{"path": "n", "fieldRef": {"fieldPath": "metadata.name"}}]}},
    ]

    found = volumes({"name": "p", "projected": {"sources": sources, "defaultMode": 0o400}})

    assert found["p"] == {
        "a": VolumeFile(b"1", 0o400),
        "P": VolumeFile(b"\xff\0", 0o400),
        "n": VolumeFile(b"web-1", 0o400),
    }


@pytest.mark.parametrize(
    ("volume", "problem"),
    [
        ({"configMap": {"name": "no"}}, 'configmap "no" not found'),
        ({"secret": {"secretName": "no"}}, 'secret "no" not found'),
        (
            {"configMap": {"name": "conf", "items": [{"key": "c", "path": "c"}]}},
            "references non-existent config key: c",
        ),
        (
            {"secret": {"secretName": "keys", "items": [{"key": "c", "path": "c"}]}},
            "references non-existent secret key: c",
        ),
        (
            {"configMap": {"name": "conf", "items": [{"key": "a.conf", "path": "../a"}]}},
            "leads out of the volume",
        ),
        ({"persistentVolumeClaim": {"claimName": "data"}}, r"spec.volumes\[\].persistentVolumeC"),
        ({"csi": {"driver": "x"}}, r"spec.volumes\[\].csi"),
        (
            {"projected": {"sources": [{"clusterTrustBundle": {"path": "bundle"}}]}},
            r"spec.volumes\[\].projected.sources\[\].clusterTrustBundle",
        ),
    ],
)
def test_volume_that_cannot_be_made_is_named_with_why(volume: Any, problem: str) -> None:
    with pytest.raises(VolumeError, match=f'SetUp failed for volume "v" : .*{problem}'):
        volumes({"name": "v", **volume})


def test_objects_that_volumes_show_are_the_pods() -> None:
    source = {"projected": {"sources": [{"secret": {"name": "keys"}}]}}
    pod = pod_of(volumes=[{"name": "a", "configMap": {"name": "conf"}}, {"name": "b", **source}])

    assert volume_references(pod) == {
        Reference(Source.CONFIG_MAP, "conf"),
        Reference(Source.SECRET, "keys"),
    }


def test_tokens_are_shown_for_whom_they_are_asked() -> None:
    own = {"serviceAccountToken": {"path": "token"}}
    other = {
        "serviceAccountToken": {
            "path": "vault/token",
            "audience": "vault",
            "expirationSeconds": 600,
        }
    }
    volume = {"name": "t", "projected": {"defaultMode": 0o400, "sources": [own, other]}}

    assert volumes(volume)["t"] == {
        "token": VolumeFile(b"own", 0o400),
        "vault/token": VolumeFile(b"other", 0o400),
    }
    assert token_asks(pod_of(container_of(), volumes=[volume])) == {*TOKENS}

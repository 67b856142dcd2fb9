"""Prometheus' objects: complete, of their namespace, and referring to each other."""

from typing import Any

from ciliate.config.installation import Installation
from ciliate.lab.kubelet.images import container_program
from ciliate.lab.monitoring.manifests import NAMESPACE, monitoring_objects

CONFIG = {"hubble-metrics-server": ":9965", "hubble-metrics": "flow drop"}


def objects(config: dict[str, str]) -> dict[tuple[str, str], Any]:
    placed = monitoring_objects(Installation(), config=config, settings="a: b\n")
    return {(body["kind"], body["metadata"]["name"]): body for _, body in placed}


def test_every_object_is_created_where_it_belongs() -> None:
    for path, body in monitoring_objects(Installation(), config=CONFIG, settings=""):
        namespace = body["metadata"].get("namespace")
        assert (f"/namespaces/{namespace}/" in path) is (namespace is not None)
        assert path.rpartition("/")[2] == f"{body['kind'].lower()}s"


def test_namespace_comes_first() -> None:
    (_, body), *_ = monitoring_objects(Installation(), config=CONFIG, settings="")

    assert (body["kind"], body["metadata"]["name"]) == ("Namespace", NAMESPACE)


def test_service_of_flow_metrics_is_there_where_flows_are_counted() -> None:
    name = ("Service", "hubble-metrics")

    assert objects(CONFIG)[name]["spec"]["ports"][0]["port"] == 9965
    assert name not in objects(CONFIG | {"hubble-metrics": ""})
    assert name not in objects(CONFIG | {"hubble-metrics-server": ""})


def test_pod_runs_two_programs_of_which_the_lab_knows_both() -> None:
    pod = objects(CONFIG)["Deployment", "prometheus"]["spec"]["template"]["spec"]

    programs = [container_program(each["image"]).title for each in pod["containers"]]

    assert programs == ["prometheus", "scrape-targets"]


def test_what_is_mounted_is_a_volume_and_only_discovery_writes_targets() -> None:
    pod = objects(CONFIG)["Deployment", "prometheus"]["spec"]["template"]["spec"]
    volumes = {each["name"] for each in pod["volumes"]}

    mounts = {each["name"]: each["volumeMounts"] for each in pod["containers"]}

    assert {mount["name"] for each in mounts.values() for mount in each} == volumes
    assert [m.get("readOnly") for m in mounts["prometheus"] if m["name"] == "targets"] == [True]
    assert [m.get("readOnly") for m in mounts["scrape-targets"]] == [None]


def test_account_may_read_what_targets_come_from_and_nothing_else() -> None:
    found = objects(CONFIG)
    pod = found["Deployment", "prometheus"]["spec"]["template"]["spec"]
    binding = found["ClusterRoleBinding", "prometheus"]

    rules = found["ClusterRole", "prometheus"]["rules"]

    assert {resource for rule in rules for resource in rule["resources"]} == {
        "pods",
        "services",
        "endpointslices",
    }
    assert {verb for rule in rules for verb in rule["verbs"]} == {"get", "list", "watch"}
    assert [each["name"] for each in binding["subjects"]] == [pod["serviceAccountName"]]


def test_settings_are_the_text_that_was_given() -> None:
    assert objects(CONFIG)["ConfigMap", "prometheus"]["data"] == {"prometheus.yaml": "a: b\n"}

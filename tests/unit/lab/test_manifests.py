from ciliate.lab import manifests


def test_start_state_is_the_walkthroughs() -> None:
    data = manifests.cilium_config(dual_stack=False, changes={})

    assert data["ipam"] == "kubernetes"
    assert data["routing-mode"] == "native"
    assert data["ipv4-native-routing-cidr"] == "10.244.0.0/16"
    assert data["enable-ipv6"] == "false"
    assert len(data) == 152


def test_a_change_wins_over_the_start_state_and_over_dual_stack() -> None:
    data = manifests.cilium_config(
        dual_stack=True, changes={"ipam": "cluster-pool", "enable-ipv6-masquerade": "true"}
    )

    assert data["ipam"] == "cluster-pool"
    assert data["enable-ipv6"] == "true"
    assert data["enable-ipv6-masquerade"] == "true"


def test_agent_is_privileged_and_sees_of_its_node_what_it_declares() -> None:
    objects = manifests.cluster_objects(config={}, kubeconfig="/lab/kubeconfig")

    found = {o.body["metadata"]["name"]: o.body for o in objects}
    spec = found["cilium"]["spec"]["template"]["spec"]
    paths = {v["name"]: v["hostPath"]["path"] for v in spec["volumes"] if "hostPath" in v}
    seen = {m["name"]: m for m in spec["containers"][0]["volumeMounts"]}
    assert spec["containers"][0]["securityContext"] == {"privileged": True}
    assert seen.keys() == {*paths, "ip-masq-agent", "hubble-tls"}
    assert paths["cilium-run"] == "/var/run/cilium"
    assert seen["etc-cni-netd"]["mountPath"] == "/host/etc/cni/net.d"
    assert seen["cilium-netns"]["mountPropagation"] == "HostToContainer"
    assert seen["kubeconfig"] == {
        "name": "kubeconfig",
        "mountPath": "/lab/kubeconfig",
        "readOnly": True,
    }
    operator = found["cilium-operator"]["spec"]["template"]["spec"]
    assert "securityContext" not in operator["containers"][0]


def test_file_of_ip_masq_agent_is_an_optional_volume_of_the_agents() -> None:
    objects = manifests.cluster_objects(config={}, kubeconfig="/lab/kubeconfig")

    found = {o.body["metadata"]["name"]: o.body for o in objects}
    spec = found["cilium"]["spec"]["template"]["spec"]
    (volume,) = [v for v in spec["volumes"] if v["name"] == "ip-masq-agent"]
    (mount,) = [m for m in spec["containers"][0]["volumeMounts"] if m["name"] == "ip-masq-agent"]
    assert volume["configMap"] == {
        "name": "ip-masq-agent",
        "optional": True,
        "items": [{"key": "config", "path": "ip-masq-agent"}],
    }
    assert mount["mountPath"] == "/etc/config"


def test_objects_carry_the_names_and_labels_of_ciliums_chart() -> None:
    objects = manifests.cluster_objects(config={}, kubeconfig="/kubeconfig")

    found = {(o.body["kind"], o.body["metadata"]["name"]): o.body for o in objects}
    agent = found["DaemonSet", "cilium"]["spec"]
    operator = found["Deployment", "cilium-operator"]["spec"]
    assert agent["selector"]["matchLabels"] == {"k8s-app": "cilium"}
    assert agent["template"]["spec"]["containers"][0]["name"] == "cilium-agent"
    assert operator["selector"]["matchLabels"] == {
        "io.cilium/app": "operator",
        "name": "cilium-operator",
    }
    for spec in (agent, operator):
        labels = spec["template"]["metadata"]["labels"]
        assert spec["selector"]["matchLabels"].items() <= labels.items()


def test_failing_agent_and_operator_show_the_end_of_their_logs() -> None:
    bodies = [placed.body for placed in manifests.cluster_objects(config={}, kubeconfig="/k")]
    pods = [body["spec"]["template"]["spec"] for body in bodies if "spec" in body]

    policies = [pod["containers"][0]["terminationMessagePolicy"] for pod in pods]
    assert policies == ["FallbackToLogsOnError"] * 2


def test_certificates_of_flow_servers_are_an_optional_volume_of_the_agents() -> None:
    objects = manifests.cluster_objects(config={}, kubeconfig="/lab/kubeconfig")

    found = {o.body["metadata"]["name"]: o.body for o in objects}
    spec = found["cilium"]["spec"]["template"]["spec"]
    (volume,) = [v for v in spec["volumes"] if v["name"] == "hubble-tls"]
    (mount,) = [m for m in spec["containers"][0]["volumeMounts"] if m["name"] == "hubble-tls"]
    (source,) = volume["projected"]["sources"]
    assert source["secret"]["optional"], "an agent starts before the operator has made any"
    assert mount == {
        "name": "hubble-tls",
        "mountPath": "/var/lib/cilium/tls/hubble",
        "readOnly": True,
    }


def relay_texts(config: dict[str, str]) -> str:
    """Return what the relay is configured by, under such settings of the agents."""
    bodies = [placed.body for placed in manifests.hubble_relay(config)]
    (found,) = [body for body in bodies if body["kind"] == "ConfigMap"]
    return str(found["data"]["config.yaml"])


def test_relay_speaks_as_the_agents_are_set_to() -> None:
    usual = relay_texts({"cluster-name": "east"})
    plain = relay_texts({"hubble-disable-tls": "true"})

    assert "cluster-name: east" in usual
    assert "hubble-peer.kube-system.svc.cluster.local.:443" in usual
    assert "tls-hubble-client-cert-file" in usual
    assert "hubble-peer.kube-system.svc.cluster.local.:80" in plain
    assert "disable-client-tls: true" in plain
    assert manifests.PARTS["hubble-relay"] is manifests.hubble_relay


def test_objects_of_the_relay_are_placed_in_the_agents_namespace() -> None:
    placed = manifests.hubble_relay({})

    assert all("/namespaces/kube-system/" in each.path for each in placed)
    assert {each.body["metadata"]["namespace"] for each in placed} == {"kube-system"}


def scraped(config: dict[str, str]) -> dict[str, dict[str, str]]:
    """Return the annotations of the pods of agents and operator, under such settings."""
    objects = manifests.cluster_objects(config=config, kubeconfig="/k")
    found = {each.body["metadata"]["name"]: each.body for each in objects}
    return {
        name: found[name]["spec"]["template"]["metadata"].get("annotations", {})
        for name in ("cilium", "cilium-operator")
    }


def test_pods_say_where_they_are_scraped_as_settings_have_it() -> None:
    usual = scraped(manifests.cilium_config(dual_stack=False, changes={}))
    none = scraped({"prometheus-serve-addr": "", "operator-prometheus-serve-addr": ":99"})

    assert usual["cilium"] == {"prometheus.io/scrape": "true", "prometheus.io/port": "9962"}
    assert usual["cilium-operator"]["prometheus.io/port"] == "9963"
    assert none["cilium"] == {}
    assert none["cilium-operator"]["prometheus.io/port"] == "99"


def test_prometheus_has_its_settings_and_the_flow_servers_their_service() -> None:
    placed = manifests.monitoring(manifests.cilium_config(dual_stack=False, changes={}))

    found = {(each.body["kind"], each.body["metadata"]["name"]): each.body for each in placed}
    text = found["ConfigMap", "prometheus"]["data"]["prometheus.yaml"]
    assert "/targets/pods.json" in text
    assert ("Service", "hubble-metrics") in found

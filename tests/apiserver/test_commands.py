"""`ciliate status`, `config` and `version` against the embedded API server, over TLS."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from ciliate.api.core import PODS
from ciliate.apiserver import pki
from ciliate.apiserver.server import serve
from ciliate.apiserver.settings import ApiServerSettings
from ciliate.cli import cluster, config, status, version
from ciliate.cli.status import ClusterUnwellError
from ciliate.errors import CiliateError
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import NotFoundError
from ciliate.lab.manifests import cilium_config
from ciliate.operator.refusal import RefusedSettingsError

SYSTEM = "/api/v1/namespaces/kube-system"
CRDS = Path(__file__).parents[2] / "src/ciliate/api/crds"
DAEMON_SETS = "/apis/apps/v1/namespaces/kube-system/daemonsets"


class _Served:
    """An API server in a thread of its own, with an event loop of its own."""

    def __init__(self, settings: ApiServerSettings, listener: socket.socket) -> None:
        self._settings = settings
        self._listener = listener
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        self._task = asyncio.create_task(serve(self._settings, [self._listener], ready=ready))
        await ready.wait()
        self._ready.set()
        await asyncio.gather(self._task, return_exceptions=True)

    def __enter__(self) -> None:
        self._thread.start()
        assert self._ready.wait(timeout=30)

    def __exit__(self, *_: object) -> None:
        assert self._loop is not None
        assert self._task is not None
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join()


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Iterator[str]:
    """A kubeconfig of a running, empty API server."""
    ca = pki.create_ca(tmp_path)
    pki.issue(ca, common_name="apiserver", sans=["127.0.0.1"], server=True).write(
        tmp_path, "apiserver"
    )
    admin = pki.issue(ca, common_name="admin", organizations=["system:masters"], server=False)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        path = tmp_path / "kubeconfig"
        pki.write_private(path, pki.render_kubeconfig(server=url, ca=ca, client=admin).encode())
        settings = ApiServerSettings(
            data_dir=tmp_path / "data",
            ca_file=tmp_path / "ca.crt",
            cert_file=tmp_path / "apiserver.crt",
            key_file=tmp_path / "apiserver.key",
            kubelet_sockets=str(tmp_path / "{node}.sock"),
            crd_files=tuple(CRDS.glob("*.yaml")),
        )
        with _Served(settings, listener):
            yield str(path)


def create(kubeconfig: str, path: str, body: dict[str, object]) -> None:
    async def work() -> None:
        async with ApiClient.from_kubeconfig(kubeconfig) as client:
            await client.request("POST", path, body=msgspec.json.encode(body))

    asyncio.run(work())


def create_settings(kubeconfig: str, **settings: str) -> None:
    create(
        kubeconfig,
        f"{SYSTEM}/configmaps",
        {
            "metadata": {"name": "cilium-config"},
            "data": {name.replace("_", "-"): value for name, value in settings.items()},
        },
    )


AGENT = {"k8s-app": "cilium"}
OPERATOR = {"io.cilium/app": "operator", "name": "cilium-operator"}


def create_agent(kubeconfig: str, name: str, labels: dict[str, str] = AGENT) -> None:
    create(
        kubeconfig,
        f"{SYSTEM}/pods",
        {
            "metadata": {"name": name, "labels": labels},
            "spec": {
                "hostNetwork": True,
                "containers": [{"name": "cilium-agent", "image": "ciliate:v0.1.0"}],
            },
        },
    )


def configured(*arguments: str, kubeconfig: str) -> Result:
    return CliRunner().invoke(config.command, [*arguments, "--kubeconfig", kubeconfig])


def test_settings_are_shown_changed_and_removed(kubeconfig: str) -> None:
    create_settings(kubeconfig, ipam="kubernetes", mtu="1500")

    assert configured("view", kubeconfig=kubeconfig).output == "ipam    kubernetes\nmtu     1500\n"
    changed = configured("set", "mtu", "1400", "--no-restart", kubeconfig=kubeconfig)
    assert changed.exit_code == 0
    assert configured("get", "mtu", kubeconfig=kubeconfig).output == "1400\n"
    assert configured("delete", "mtu", "--no-restart", kubeconfig=kubeconfig).exit_code == 0
    assert configured("view", "-o", "jsonpath={.}", kubeconfig=kubeconfig).output == (
        '{"ipam":"kubernetes"}'
    )


def test_set_restarts_the_agents_by_deleting_their_pods(kubeconfig: str) -> None:
    create_settings(kubeconfig, ipam="kubernetes")
    create_agent(kubeconfig, "cilium-a")

    result = configured("set", "debug", "true", kubeconfig=kubeconfig)

    assert "Restarted Cilium pods" in result.output
    assert asyncio.run(_is_going(kubeconfig, "cilium-a"))


def test_set_restarts_who_reads_the_key_and_nobody_else(kubeconfig: str) -> None:
    create_settings(kubeconfig, ipam="kubernetes")
    create_agent(kubeconfig, "cilium-a")
    create_agent(kubeconfig, "cilium-operator-a", OPERATOR)

    result = configured("set", "nodes-gc-interval", "1m", kubeconfig=kubeconfig)

    assert "Restarted Cilium operator" in result.output
    assert asyncio.run(_is_going(kubeconfig, "cilium-operator-a"))
    assert not asyncio.run(_is_going(kubeconfig, "cilium-a"))


def test_set_refuses_what_agents_would_not_start_with(kubeconfig: str) -> None:
    create_settings(kubeconfig, **cilium_config(dual_stack=False, changes={}))

    refused = configured("set", "enable-endpoint-routes", "false", kubeconfig=kubeconfig)
    assert isinstance(refused.exception, RefusedSettingsError)
    assert refused.output == "", "nothing is said to be patched"
    shown = configured("get", "enable-endpoint-routes", kubeconfig=kubeconfig)
    assert shown.output == "true\n"

    forced = ("set", "enable-endpoint-routes", "false", "--force", "--no-restart")
    assert configured(*forced, kubeconfig=kubeconfig).exit_code == 0


async def _is_going(kubeconfig: str, name: str) -> bool:
    """Whether a pod is gone, or is being deleted and waits for its kubelet."""
    async with ApiClient.from_kubeconfig(kubeconfig) as client:
        try:
            pod = await client.get(PODS, name, namespace="kube-system")
        except NotFoundError:
            return True
        return pod.metadata.deletion_timestamp is not None


def test_missing_config_map_is_an_error_of_ours(kubeconfig: str) -> None:
    result = configured("view", kubeconfig=kubeconfig)

    assert isinstance(result.exception, CiliateError)
    assert "cilium-config" in str(result.exception)


def test_status_of_a_cluster_without_agents_is_an_error_with_a_picture(kubeconfig: str) -> None:
    result = CliRunner().invoke(status.command, ["--kubeconfig", kubeconfig])

    assert isinstance(result.exception, ClusterUnwellError)
    assert "Cilium:             1 errors" in result.output
    assert "Hubble Relay:       disabled" in result.output


def test_status_counts_what_the_objects_say(kubeconfig: str) -> None:
    create_agent(kubeconfig, "cilium-a")
    template = {
        "metadata": {"labels": {"k8s-app": "cilium"}},
        "spec": {"containers": [{"name": "cilium-agent", "image": "ciliate:v0.1.0"}]},
    }
    create(
        kubeconfig,
        DAEMON_SETS,
        {
            "metadata": {"name": "cilium"},
            "spec": {"selector": {"matchLabels": {"k8s-app": "cilium"}}, "template": template},
        },
    )

    result = CliRunner().invoke(status.command, ["--kubeconfig", kubeconfig, "-o", "json"])

    found = msgspec.json.decode(result.output)
    assert found["pod_state"]["cilium"]["type"] == "DaemonSet"
    assert found["image_count"] == {"cilium": {"ciliate:v0.1.0": 1}}
    assert found["pods_count"] == {"all": 0, "by_cilium": 0}
    assert list(found["findings"]["cilium-operator"]["errors"]) == ["cilium-operator"]


def test_version_names_the_running_image(kubeconfig: str) -> None:
    create_agent(kubeconfig, "cilium-a")

    result = CliRunner().invoke(version.command, ["--kubeconfig", kubeconfig])

    assert result.output.endswith("cilium image (running): ciliate:v0.1.0\n")


def test_no_cluster_names_the_ways_to_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CILIATE_LAB", "no-such-lab")

    result = CliRunner().invoke(config.command, ["view"])

    assert isinstance(result.exception, cluster.NoClusterError)
    assert "ciliate lab up" in str(result.exception)
    others = cluster.NoClusterError(lab=tmp_path, labs=["one", "two"])
    assert "choose of the labs one, two by CILIATE_LAB=NAME, or start a lab" in str(others)

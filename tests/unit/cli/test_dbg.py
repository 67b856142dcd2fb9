"""`ciliate dbg` against an agent's socket that answers with the API's own Structs."""

import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer

import msgspec
import pytest
from click.testing import CliRunner, Result

from ciliate.agent.status import StatusResponse
from ciliate.api.agent import (
    POLICY_NOT_ENFORCED,
    AddressPair,
    ApiError,
    ConfigurationStatus,
    DaemonConfiguration,
    EndpointModel,
    EndpointNetworking,
    EndpointStatus,
    ExternalIdentifiers,
    IdentityModel,
    IpListEntry,
)
from ciliate.api.agent_status import ComponentStatus, KubernetesStatus
from ciliate.cli.agent_client import AgentAnswerError, AgentUnreachableError
from ciliate.cli.dbg import EndpointMissingError, command
from ciliate.cli.dbg_service import FrontendMissingError
from ciliate.console.output import OutputFormatError
from ciliate.datapath.errors import DatapathError
from ciliate.ipam.status import IpamStatus
from ciliate.masquerade.status import Masquerading
from ciliate.routing.status import Routing
from ciliate.services.service_list import (
    FrontendAddress,
    ServiceFlags,
    ServiceModel,
    ServiceSpec,
    ServiceStatus,
)

POD = EndpointModel(
    id=77,
    status=EndpointStatus(
        state="ready",
        identity=IdentityModel(id=8066),
        external_identifiers=ExternalIdentifiers(
            k8s_namespace="default", k8s_pod_name="curl-pod", container_id="abc"
        ),
        networking=EndpointNetworking(addressing=(AddressPair(ipv4="10.244.0.7"),)),
        policy=POLICY_NOT_ENFORCED,
    ),
)


def status(kubernetes: KubernetesStatus) -> StatusResponse:
    return StatusResponse(
        cilium=ComponentStatus(state="Ok", msg="0.1.0"),
        kubernetes=kubernetes,
        ipam=IpamStatus(status="IPv4: 1/254 allocated from 10.244.0.0/24, "),
        masquerading=Masquerading(mode="BPF"),
        routing=Routing(inter_host_routing_mode="Native", intra_host_routing_mode="BPF"),
        version="0.1.0",
    )


ANSWERS: dict[str, object] = {
    "/v1/healthz": status(KubernetesStatus(state="Ok")),
    "/v1/endpoint": [POD],
    "/v1/config": DaemonConfiguration(
        status=ConfigurationStatus(
            daemon_configuration_map={
                "enable-ipv4": True,
                "ipv4-native-routing-cidr": "10.244.0.0/16",
                "devices": ("eth0", "eth1"),
            },
            ipam_mode="kubernetes",
            device_mtu=1500,
        )
    ),
    "/v1/ip": [IpListEntry(cidr="10.244.0.7/32", identity=8066)],
    "/v1/identity": [IdentityModel(id=8066, labels=("k8s:app=curl",))],
}


class _Server(ThreadingUnixStreamServer):
    daemon_threads = True
    answers: Mapping[str, object]


class _Agent(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        answer = self.server.answers.get(self.path)
        code = 200 if answer is not None else 404
        body = msgspec.json.encode(answer if answer is not None else ApiError(message="gone"))
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its parameter.
        """Stay silent."""

    def address_string(self) -> str:
        return "unix"


@pytest.fixture
def answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, object]]:
    """What the agent on CILIUM_SOCK answers; may be changed."""
    path = tmp_path / "cilium.sock"
    with _Server(str(path), _Agent) as server:
        current = dict(ANSWERS)
        server.answers = current
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setenv("CILIUM_SOCK", str(path))
        yield current
        server.shutdown()
        thread.join()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments)


@pytest.mark.usefixtures("answers")
def test_status_prints_the_agent_s_state_and_succeeds() -> None:
    result = run("status")

    assert result.exit_code == 0
    assert "IPAM:                IPv4: 1/254 allocated from 10.244.0.0/24, \n" in result.output
    assert run("status", "--brief").output == "OK\n"


def test_unhealthy_agent_makes_the_exit_code_1(answers: dict[str, object]) -> None:
    answers["/v1/healthz"] = status(KubernetesStatus(state="Failure", msg="refused"))

    assert run("status", "--brief").output == "error in kubernetes: refused\n"
    assert run("status").exit_code == 1


def test_unhealthy_agents_json_is_an_answer_that_cilium_s_cli_reads(
    answers: dict[str, object],
) -> None:
    answers["/v1/healthz"] = status(KubernetesStatus(state="Failure", msg="refused"))

    result = run("status", "-o", "json")

    assert result.exit_code == 0
    assert msgspec.json.decode(result.output)["kubernetes"]["msg"] == "refused"


def test_services_are_listed_and_got_by_number(answers: dict[str, object]) -> None:
    answers["/v1/service"] = [web(5, 80), web(2, 443)]

    lines = [line.split() for line in run("service", "list").output.splitlines()]
    assert [line[:3] for line in lines[1:]] == [
        ["2", "10.96.0.7:443/TCP", "ClusterIP"],
        ["5", "10.96.0.7:80/TCP", "ClusterIP"],
    ]
    assert run("service", "ls").output == run("service", "list").output
    assert run("service", "list", "-o", "name").output == "5\n2\n"
    assert "10.96.0.7:80/TCP" in run("service", "get", "5").output
    assert run("service", "get", "5", "-o", "jsonpath={[*].spec.id}").output == "5"
    missing = run("service", "get", "7").exception
    assert isinstance(missing, FrontendMissingError)
    assert "no frontend 7 among the 2" in str(missing)


def web(number: int, port: int) -> ServiceModel:
    """Return a frontend without backends."""
    spec = ServiceSpec(
        id=number,
        frontend_address=FrontendAddress(
            ip="10.96.0.7", port=port, protocol="TCP", scope="external"
        ),
        flags=ServiceFlags(
            type="ClusterIP",
            traffic_policy="Cluster",
            ext_traffic_policy="Cluster",
            int_traffic_policy="Cluster",
            name="web",
            namespace="default",
        ),
    )
    return ServiceModel(spec=spec, status=ServiceStatus(realized=spec))


@pytest.mark.usefixtures("answers")
def test_version_of_the_agent_is_read_by_cilium_s_words() -> None:
    assert run("version", "-o", "jsonpath={$.Daemon.Version}").output == "1.17.6"
    assert msgspec.json.decode(run("version", "-o", "json").output)["Daemon"]["Revision"] == (
        "ciliate-v0.1.0"
    )
    assert run("version").output.endswith("\nDaemon: 0.1.0\n")


@pytest.mark.usefixtures("answers")
def test_encryption_that_is_not_there_is_disabled() -> None:
    assert msgspec.json.decode(run("encrypt", "status", "-o", "json").output) == {
        "mode": "Disabled"
    }
    assert run("encrypt", "status").output == "Encryption: Disabled\n"


@pytest.mark.usefixtures("answers")
def test_output_forms_give_the_same_facts() -> None:
    as_json = msgspec.json.decode(run("status", "-o", "json").output)

    assert as_json["ipam"]["status"] == "IPv4: 1/254 allocated from 10.244.0.0/24, "
    assert run("status", "-o", "jsonpath={.cilium.state}").output == "Ok"
    assert run("endpoint", "list", "-o", "jsonpath={[*].id}").output == "77"
    assert (
        run("endpoint", "list", "-o", "jsonpath={[0].status.networking.addressing[0].ipv4}").output
        == "10.244.0.7"
    )
    assert "state: Ok" in run("status", "-o", "yaml").output


@pytest.mark.usefixtures("answers")
def test_names_alone_and_further_columns_are_forms_too() -> None:
    assert run("endpoint", "list", "-o", "name").output == "77\n"
    assert run("ip", "list", "-o", "name").output == "10.244.0.7/32\n"
    assert run("identity", "list", "-o", "name").output == "8066\n"
    assert run("ip", "list", "-o", "wide").output == run("ip", "list", "-v").output


def test_empty_lists_are_a_word_on_standard_error(answers: dict[str, object]) -> None:
    answers |= {"/v1/ip": [], "/v1/identity": [], "/v1/endpoint": []}

    for words, what in ((("ip",), "addresses"), (("identity",), "identities")):
        done = run(*words, "list")
        assert (done.stdout, done.stderr) == ("", f"No {what} found\n")
        assert run(*words, "list", "-o", "json").stdout == "[]\n"


@pytest.mark.usefixtures("answers")
@pytest.mark.parametrize("form", ["xml", "jsonpath=", "jsonpath={.no.such}", "jsonpath={??}"])
def test_unknown_output_form_is_refused_with_the_known_ones(form: str) -> None:
    result = run("status", "-o", form)

    assert isinstance(result.exception, OutputFormatError)
    assert "use json, yaml or" in str(result.exception)


@pytest.mark.usefixtures("answers")
@pytest.mark.parametrize(
    "name",
    [
        *("77", "pod-name:default/curl-pod", "container-id:abc", "ipv4:10.244.0.7"),
        *("default/curl-pod", "po/curl-pod", "pods/curl-pod", "pod/default/curl-pod"),
    ],
)
def test_endpoint_is_found_by_each_of_its_names(name: str) -> None:
    assert msgspec.json.decode(run("endpoint", "get", name).output)[0]["id"] == 77


@pytest.mark.usefixtures("answers")
def test_unknown_endpoint_says_how_to_name_one() -> None:
    result = run("endpoint", "get", "78")

    assert isinstance(result.exception, EndpointMissingError)
    assert "pod-name:NAMESPACE/POD" in str(result.exception)


@pytest.mark.usefixtures("answers")
def test_config_lists_keys_in_camel_case() -> None:
    text = run("config", "--all").output

    assert text.startswith("#### Read-only configurations ####\n")
    assert "DeviceMTU                         : 1500\n" in text
    assert "Devices                           : eth0 eth1\n" in text
    assert "EnableIPv4                        : true\n" in text
    assert "IPv4NativeRoutingCIDR             : 10.244.0.0/16\n" in text
    assert "\n##### Read-write configurations #####\n" in text


@pytest.mark.usefixtures("answers")
def test_ip_list_asks_for_labels_unless_numbers_are_wanted() -> None:
    assert "k8s:app=curl" in run("ip", "list").output
    assert "8066" in run("ip", "list", "-n").output


@pytest.mark.usefixtures("answers")
def test_refused_request_says_what_the_agent_said() -> None:
    result = run("node", "list")

    assert isinstance(result.exception, AgentAnswerError)
    assert str(result.exception) == "GET /v1/cluster/nodes: the agent answered 404: gone"


def test_absent_agent_is_named_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CILIUM_SOCK", str(tmp_path / "none.sock"))

    result = run("status")

    assert isinstance(result.exception, AgentUnreachableError)
    assert str(result.exception).startswith(
        f"cannot reach the agent: dial unix {tmp_path}/none.sock: no such file or directory. "
        "Is the agent running?"
    )


@pytest.mark.parametrize(
    "line",
    ["nat list", "ct list global", "endpoint list", "ipcache list", "metrics list", "frag list"],
)
def test_missing_map_is_an_error_of_ours(line: str, tmp_path: Path) -> None:
    result = run("bpf", "--bpf-root", str(tmp_path), *line.split())

    assert isinstance(result.exception, DatapathError)

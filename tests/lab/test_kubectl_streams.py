"""exec, attach, run, port-forward, cp, logs and proxy of the real kubectl, over both transports.

kubectl before 1.31 speaks SPDY; a newer one does where the variables say so, as it falls back to it.
"""

import contextlib
import os
import re
import select
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import kubernetes
import pytest
from kubernetes.stream import portforward
from tests.kubectl import WEBSOCKET_MINOR, client_minor
from tests.lab.cluster import Cluster, Done, eventually, run

NAMESPACE: Final = "streams"
DEADLINE_S: Final = 30.0
VARIABLES: Final = ("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", "KUBECTL_PORT_FORWARD_WEBSOCKETS")

#: Its server adds a line when the client has said all; nobody listens on port 81.
SERVER = (
    "import socketserver\n"
    "class Echo(socketserver.StreamRequestHandler):\n"
    "    def handle(self):\n"
    "        while data := self.request.recv(65536): self.wfile.write(data.upper())\n"
    "        self.wfile.write(b'|over')\n"
    "class Server(socketserver.ThreadingTCPServer): request_queue_size = 128\n"
    "Server(('', 8080), Echo).serve_forever()\n"
)
POD = f"""
apiVersion: v1
kind: Pod
metadata: {{name: p, namespace: {NAMESPACE}, labels: {{app: p}}}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: c
    image: nicolaka/netshoot
    command: [python3, -c, {SERVER!r}]
    readinessProbe: {{tcpSocket: {{port: 8080}}}}
  - {{name: reader, image: busybox, stdin: true, command: [sh, -c, 'sed -u s/^/got:/; echo over']}}
  - {{name: talker, image: busybox, command: [sh, -c, 'i=0; while sleep 0.1; do i=$((i+1)); echo line $i; done']}}
---
apiVersion: v1
kind: Service
metadata: {{name: s, namespace: {NAMESPACE}}}
spec: {{selector: {{app: p}}, ports: [{{port: 80, targetPort: 8080}}]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: who, namespace: {NAMESPACE}, labels: {{app: who}}}}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{{name: c, image: traefik/whoami, ports: [{{containerPort: 80}}]}}]
---
apiVersion: v1
kind: Service
metadata: {{name: who, namespace: {NAMESPACE}}}
spec: {{selector: {{app: who}}, ports: [{{port: 8000, targetPort: 80}}]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: again, namespace: {NAMESPACE}}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: c
    image: busybox
    command: [sh, -c, 'test -e /kept/x && echo second && exec sleep 1000; echo first; touch /kept/x; exit 1']
    volumeMounts: [{{name: kept, mountPath: /kept}}]
  volumes: [{{name: kept, emptyDir: {{}}}}]
"""


@dataclass(frozen=True)
class Client:
    """kubectl, as it is made to speak one of the transports."""

    cluster: Cluster
    environment: dict[str, str]

    def command(self, *words: str) -> list[str]:
        return [
            "kubectl",
            f"--kubeconfig={self.cluster.folder}/kubeconfig",
            "-n",
            NAMESPACE,
            *words,
        ]

    def run(self, *words: str, text: str | None = None, check: bool = True) -> Done:
        return run(self.command(*words), env=self.environment, text=text, check=check)

    @contextlib.contextmanager
    def started(self, *words: str, stdin: int = subprocess.DEVNULL) -> Iterator["Running"]:
        process = subprocess.Popen(
            self.command(*words),
            env=self.environment,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            yield Running(process)
        finally:
            process.kill()
            process.communicate()

    @contextlib.contextmanager
    def terminal(self, *words: str) -> Iterator["Terminal"]:
        """Run it on a terminal of 33 rows and 101 columns."""
        ours, theirs = os.openpty()
        run(["stty", "-F", os.ttyname(theirs), "rows", "33", "columns", "101"])
        process = subprocess.Popen(
            self.command(*words),
            env=self.environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        try:
            yield Terminal(process, ours)
        finally:
            process.kill()
            process.wait()
            os.close(ours)


@dataclass(frozen=True)
class Running:
    """kubectl that goes on."""

    process: subprocess.Popen[bytes]

    def line(self) -> str:
        """The next line that it prints."""
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], DEADLINE_S)
        assert ready, "it prints nothing"
        return self.process.stdout.readline().decode()


@dataclass
class Terminal:
    """kubectl on a terminal, and what was seen there."""

    process: subprocess.Popen[bytes]
    descriptor: int
    seen: str = ""

    def until(self, text: str) -> None:
        """Wait until something is shown."""
        deadline = time.monotonic() + DEADLINE_S
        while text not in self.seen:
            ready, _, _ = select.select([self.descriptor], [], [], deadline - time.monotonic())
            assert ready, f"{text!r} is not shown: {self.seen!r}"
            self.seen += self._read()

    def type(self, text: str) -> None:
        os.write(self.descriptor, text.encode())

    def _read(self) -> str:
        try:
            return os.read(self.descriptor, 65536).decode()
        except OSError as error:
            raise AssertionError(f"kubectl has ended: {self.seen!r}") from error


@pytest.fixture(scope="module")
def pods(cluster: Cluster) -> Iterator[Cluster]:
    cluster.kubectl("create", "namespace", NAMESPACE)
    cluster.kubectl("apply", "-f", "-", text=POD)
    cluster.kubectl("wait", "-n", NAMESPACE, "--for=condition=Ready", "pod/p", "--timeout=30s")
    yield cluster
    cluster.kubectl("delete", "namespace", NAMESPACE)


@pytest.fixture(params=["websocket", "spdy"])
def kubectl(pods: Cluster, request: pytest.FixtureRequest) -> Client:
    is_websocket = request.param == "websocket"
    if is_websocket and client_minor() < WEBSOCKET_MINOR:
        pytest.skip(f"kubectl 1.{client_minor()}: needs 1.{WEBSOCKET_MINOR}")
    said = str(is_websocket).lower()
    return Client(pods, {**os.environ, **dict.fromkeys(VARIABLES, said)})


def test_exec_carries_input_output_errors_and_the_exit_code(kubectl: Client) -> None:
    script = "tr a-z A-Z; echo problem >&2; exit 7"
    done = kubectl.run(
        "exec", "-i", "p", "-c", "c", "--", "sh", "-c", script, text="in", check=False
    )

    assert (done.stdout, done.returncode) == ("IN", 7)
    assert done.stderr.splitlines()[0] == "problem"


def test_exec_of_what_is_not_there_is_told(kubectl: Client) -> None:
    done = kubectl.run("exec", "p", "-c", "c", "--", "no-such-command", check=False)

    assert done.returncode in (126, 127)
    assert "no-such-command" in done.stderr


def test_exec_carries_much_both_ways(kubectl: Client) -> None:
    much = "0123456789abcdef" * 256 * 1024

    done = kubectl.run("exec", "-i", "p", "-c", "c", "--", "cat", text=much)

    assert done.stdout == much


def test_exec_on_a_terminal_has_its_size_and_ends_with_the_shell(kubectl: Client) -> None:
    with kubectl.terminal("exec", "-it", "p", "-c", "c", "--", "sh") as terminal:
        terminal.until("# ")
        terminal.type("stty size; exit 3\n")
        terminal.until("33 101")

        assert terminal.process.wait(DEADLINE_S) == 3


def test_attached_input_reaches_the_container_which_goes_on(kubectl: Client) -> None:
    for word in ("one", "two"):
        with kubectl.started(
            "attach", "-i", "p", "-c", "reader", stdin=subprocess.PIPE
        ) as attached:
            assert attached.process.stdin is not None
            attached.process.stdin.write(f"{word}\n".encode())
            attached.process.stdin.flush()
            assert attached.line() == f"got:{word}\n"

    assert "over" not in kubectl.run("logs", "p", "-c", "reader").stdout


def test_run_ends_with_its_input_and_has_the_exit_code(kubectl: Client) -> None:
    words = ("run", "-i", "--rm", "once", "--image=busybox", "--restart=Never")

    done = kubectl.run(*words, "--", "sh", "-c", "cat; exit 3", text="hello\n", check=False)

    assert done.stdout.startswith("hello\n")
    assert done.returncode == 3
    assert "once" not in kubectl.run("get", "pod", "-o", "name").stdout


def test_run_on_a_terminal_is_a_shell_with_a_prompt(kubectl: Client) -> None:
    words = ("run", "-it", "--rm", "shell", "--image=busybox", "--restart=Never")
    with kubectl.terminal(*words, "--", "sh") as terminal:
        terminal.until("press")  # "If you don't see a command prompt, try pressing enter."
        terminal.type("\n")
        terminal.until("# ")
        terminal.type("stty size; echo $TERM; tty; exit 4\n")
        terminal.until("33 101\r\nxterm\r\n/dev/pts/0")

        assert terminal.process.wait(DEADLINE_S) == 4


@contextlib.contextmanager
def forwarded(kubectl: Client, target: str, port: int) -> Iterator[tuple[Running, int]]:
    """A port-forward that listens, and where."""
    with kubectl.started("port-forward", "--address=127.0.0.1", target, f":{port}") as running:
        listening = re.search(r"127\.0\.0\.1:(\d+)", running.line())
        assert listening is not None
        yield running, int(listening[1])


def ask(connections: Sequence[socket.socket]) -> list[bytes]:
    """Say something on each, end each's own half, and return what came back."""
    for number, connection in enumerate(connections):
        connection.settimeout(DEADLINE_S)
        connection.sendall(b"hello %d" % number)
        connection.shutdown(socket.SHUT_WR)
    return [_rest(connection) for connection in connections]


def _rest(connection: socket.socket) -> bytes:
    came = b""
    with connection:
        while octets := connection.recv(65536):
            came += octets
    return came


@pytest.mark.parametrize(("target", "port"), [("pod/p", 8080), ("svc/s", 80)])
def test_many_forwarded_connections_end_each_half_by_itself(
    kubectl: Client, target: str, port: int
) -> None:
    with forwarded(kubectl, target, port) as (_, local):
        connections = [socket.create_connection(("127.0.0.1", local)) for _ in range(20)]

        answers = ask(connections)

    assert answers == [b"HELLO %d|over" % number for number in range(20)]


def test_a_forwarded_port_that_refuses_is_told(kubectl: Client) -> None:
    with forwarded(kubectl, "pod/p", 81) as (running, local):
        assert ask([socket.create_connection(("127.0.0.1", local))]) == [b""]
        running.process.terminate()
        assert running.process.stderr is not None
        said = running.process.stderr.read().decode()

    assert "forwarding port 81 to pod streams/p" in said
    assert "127.0.0.1: Connection refused, ::1: " in said


def test_files_are_copied_both_ways(kubectl: Client, tmp_path: Path) -> None:
    (tmp_path / "from" / "folder").mkdir(parents=True)
    (tmp_path / "from" / "folder" / "file").write_bytes(os.urandom(300_000))
    inside = f"/tmp/{kubectl.cluster.name}-{tmp_path.name}"

    kubectl.run("cp", "-c", "c", str(tmp_path / "from"), f"p:{inside}")
    kubectl.run("cp", "-c", "c", f"p:{inside}", str(tmp_path / "to"))
    kubectl.run("exec", "p", "-c", "c", "--", "rm", "-r", inside)

    came = (tmp_path / "to" / "folder" / "file").read_bytes()
    assert came == (tmp_path / "from" / "folder" / "file").read_bytes()


@pytest.fixture
def any_kubectl(pods: Cluster) -> Client:
    """Where the transport does not matter."""
    return Client(pods, dict(os.environ))


def test_the_log_of_the_life_before_is_kept(any_kubectl: Client) -> None:
    def ran_twice() -> bool:
        return "second" in any_kubectl.run("logs", "again", check=False).stdout

    eventually(ran_twice, within_s=DEADLINE_S, what="a second life")

    assert any_kubectl.run("logs", "again", "--previous").stdout == "first\n"


def test_a_followed_log_begins_where_it_is_told_to(any_kubectl: Client) -> None:
    words = ("logs", "-f", "p", "-c", "talker", "--since=60s", "--tail=2", "--timestamps")
    with any_kubectl.started(*words) as following:
        lines = [following.line() for _ in range(4)]

    numbers = [int(re.fullmatch(r"\S+Z line (\d+)\n", line)[1]) for line in lines]  # type: ignore[index]
    assert numbers == list(range(numbers[0], numbers[0] + 4))
    assert numbers[0] > 1


def test_proxy_serves_the_api(any_kubectl: Client) -> None:
    with any_kubectl.started("proxy", "--port=0") as proxy:
        listening = re.search(r"127\.0\.0\.1:(\d+)", proxy.line())
        assert listening is not None
        done = run(
            ["curl", "-sf", f"http://127.0.0.1:{listening[1]}/api/v1/namespaces/{NAMESPACE}"]
        )

    assert f'"name":"{NAMESPACE}"' in done.stdout.replace(" ", "")


@pytest.mark.parametrize("path", ["pods/who", "services/who:8000"])
def test_pods_and_services_are_asked_through_the_api(any_kubectl: Client, path: str) -> None:
    asked = f"/api/v1/namespaces/{NAMESPACE}/{path}/proxy/a?b=c"

    def is_answered() -> bool:
        return "GET /a?b=c HTTP/1.1" in any_kubectl.run("get", "--raw", asked, check=False).stdout

    eventually(is_answered, within_s=DEADLINE_S, what=path)


def test_the_python_client_forwards_ports(pods: Cluster) -> None:
    api = kubernetes.config.new_client_from_config(config_file=str(pods.folder / "kubeconfig"))
    core = kubernetes.client.CoreV1Api(api)

    forward = portforward(
        core.connect_get_namespaced_pod_portforward, "p", NAMESPACE, ports="8080,81"
    )
    with contextlib.closing(forward.socket(8080)) as connection:
        connection.settimeout(DEADLINE_S)
        connection.sendall(b"hello")
        assert connection.recv(5) == b"HELLO"
    eventually(lambda: forward.error(81), within_s=DEADLINE_S, what="the refusal is told")

    assert "Connection refused" in forward.error(81)

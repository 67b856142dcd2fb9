"""A real server process on loopback, with certificates of its own, for the real clients."""

import itertools
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.deadlines import Deadline

from ciliate.apiserver import pki
from ciliate.system.certificates import Authority

READY_S = 20.0
DEADLINE_S = 60.0

_numbers = itertools.count(1)

_ENTRY = "from ciliate.apiserver.command import command; command()"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def wait_for(condition: Callable[[], Any], *, what: str, deadline_s: float = DEADLINE_S) -> Any:
    """Return the first true value of `condition`, or fail naming what did not come."""
    deadline = Deadline(deadline_s)
    pause = socket.socketpair()[0]
    pause.settimeout(0.02)
    while not deadline.passed:
        value = condition()
        if value:
            return value
        try:
            pause.recv(1)
        except TimeoutError:
            continue
    pytest.fail(f"{what}: not within {deadline_s} s")


@dataclass(frozen=True)
class Answer:
    """What a request is answered with; `warnings` are the texts of its Warning headers."""

    code: int
    body: Any
    warnings: list[str]

    @classmethod
    def of(cls, code: int, answer: Any) -> "Answer":
        headers = answer.headers.get_all("Warning", [])
        texts = [json.loads(header.removeprefix("299 - ")) for header in headers]
        return cls(code, _decoded(answer.read()), texts)


@dataclass
class ServerProcess:
    """One server: its files, its process, and a client's view of it."""

    directory: Path
    port: int
    ca: Authority
    client: pki.Issued
    process: subprocess.Popen[bytes] | None = None
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def kubeconfig(self) -> Path:
        return self.directory / "kubeconfig"

    def context(self, *, with_certificate: bool = True) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.directory / "ca.crt"))
        if with_certificate:
            context.load_cert_chain(self.directory / "client.crt", self.directory / "client.key")
        return context

    def start(self) -> None:
        command = [sys.executable, "-c", _ENTRY]
        command += ["--data-dir", str(self.directory / "data")]
        command += ["--listen", f"127.0.0.1:{self.port}", "--advertise-url", self.url]
        command += ["--ca-file", str(self.directory / "ca.crt")]
        command += ["--cert-file", str(self.directory / "server.crt")]
        command += ["--key-file", str(self.directory / "server.key")]
        command += ["--kubelet-sockets", str(self.directory / "{node}.sock")]
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_for(self._is_ready, what="the API server", deadline_s=READY_S)

    def _is_ready(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            pytest.fail((self.directory / "log").read_text())
        try:
            return self.request("GET", "/readyz")[0] == 200
        except OSError:
            return False

    def kill(self) -> None:
        """End it as kill -9 does: nothing is flushed."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=DEADLINE_S)

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> tuple[int, Any]:
        """Return code and decoded body of one request."""
        answer = self.exchange(method, path, body, content_type=content_type, accept=accept)
        return answer.code, answer.body

    def exchange(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content_type: str = "application/json",
        accept: str = "application/json",
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> "Answer":
        """Return the whole answer of one request; with a token, none of the client's certificate."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}{path}", data=data, method=method)
        request.add_header("Content-Type", content_type)
        request.add_header("Accept", accept)
        for name, value in (headers or {}).items():
            request.add_header(name, value)
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        context = self.context(with_certificate=token is None)
        try:
            with urllib.request.urlopen(request, context=context, timeout=DEADLINE_S) as answer:
                return Answer.of(answer.status, answer)
        except urllib.error.HTTPError as error:
            return Answer.of(error.code, error)

    def kubectl(
        self,
        *arguments: str,
        stdin: str | None = None,
        check: bool = True,
        program: str = "kubectl",
    ) -> str:
        """Return what kubectl prints; its errors are part of it when `check` is off."""
        done = subprocess.run(
            [program, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={
                **os.environ,
                "KUBECONFIG": str(self.kubeconfig),
                "HOME": str(self.directory),
                "KUBECACHEDIR": str(self.directory / "cache"),
            },
        )
        if check and done.returncode:
            pytest.fail(f"kubectl {' '.join(arguments)}: {done.stderr}")
        return done.stdout + ("" if check else done.stderr)


def _decoded(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text.decode()


def make_server(directory: Path) -> ServerProcess:
    ca = pki.create_ca(directory)
    port = free_port()
    server = pki.issue(ca, common_name="kube-apiserver", sans=["127.0.0.1"], server=True)
    server.write(directory, "server")
    client = pki.issue(ca, common_name="admin", organizations=["system:masters"], server=False)
    client.write(directory, "client")
    made = ServerProcess(directory, port, ca, client)
    kubeconfig = pki.render_kubeconfig(server=made.url, ca=ca, client=client)
    pki.write_private(made.kubeconfig, kubeconfig.encode())
    return made


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server for all tests that do not harm it; each works in a namespace of its own."""
    made = make_server(tmp_path_factory.mktemp("apiserver"))
    made.start()
    yield made
    made.stop()


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[ServerProcess]:
    """A server that the test may kill."""
    made = make_server(tmp_path)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def namespace(server: ServerProcess, request: pytest.FixtureRequest) -> str:
    """A namespace for one test."""
    called = request.node.name.split("[")[0].removeprefix("test_").replace("_", "-")
    name = f"{called[:50].strip('-')}-{next(_numbers)}"
    code, _ = server.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    assert code == 201
    return str(name)


@pytest.fixture
def kubectl(server: ServerProcess) -> Callable[..., str]:
    """Return a function that runs kubectl against the shared server."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not on the PATH")
    return server.kubectl

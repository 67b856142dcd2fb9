"""`lab/kubelet/agnhost.py`: what Kubernetes' own tests ask a pod."""

import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.deadlines import Deadline

from ciliate.lab.kubelet import agnhost
from ciliate.lab.kubelet.http_server import HttpRequest
from ciliate.lab.kubelet.images import container_program

HOST = socket.gethostname()


def asked(target: str) -> str:
    request = HttpRequest("GET", target, "HTTP/1.1", (), b"", "10.0.0.1:5")
    return agnhost.answer(request).body.decode()


def test_http_says_who_answers_and_who_asked() -> None:
    assert asked("/hostname") == asked("/hostName") == HOST
    assert asked("/clientip") == "10.0.0.1:5"
    assert asked("/echo?msg=a%20b") == "a b"
    assert asked("/").startswith("NOW: ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (b"hostname\n", HOST.encode()),
        (b"clientip", b"10.0.0.1:5"),
        (b"echo a b", b"a b"),
        (b"nonsense", None),
        (b"\xff\xfe", None),
        (b"", None),
    ],
)
def test_datagrams_are_answered_by_their_word(words: bytes, said: bytes | None) -> None:
    assert agnhost.answer_datagram(words, ("::ffff:10.0.0.1", 5, 0, 0)) == said


def test_flags_are_read_as_the_original_reads_them() -> None:
    assert agnhost.settings([]) == agnhost.Ports(8080, 8081, 0)
    words = ["--http-port=80", "--udp-port", "-1", "--delay-shutdown=10"]
    assert agnhost.settings(words) == agnhost.Ports(80, -1, 10)
    with pytest.raises(ValueError, match="unknown flag --tls-port"):
        agnhost.settings(["--tls-port=1"])


def test_the_image_is_known_by_its_registry_and_without() -> None:
    for name in ("registry.k8s.io/e2e-test-images/agnhost:2.53", "e2e-test-images/agnhost"):
        program = container_program(name, (), ("netexec", "--udp-port=53"))
        assert program.argv == ("ciliate.lab.kubelet.agnhost:run", "netexec", "--udp-port=53")
    assert container_program("e2e-test-images/agnhost").argv[1:] == ("pause",)


@contextmanager
def running(*words: str) -> Iterator["subprocess.Popen[str]"]:
    """Agnhost as a process of its own, which has said that it listens."""
    code = "import sys; from ciliate.lab.kubelet.agnhost import run; sys.exit(run(sys.argv[1:]))"
    command = [sys.executable, "-c", code, *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline()
            yield process
        finally:
            process.kill()


def free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_both_protocols_are_answered_until_the_delay_after_sigterm_is_over() -> None:
    http, udp = free_port(socket.SOCK_STREAM), free_port(socket.SOCK_DGRAM)
    flags = (f"--http-port={http}", f"--udp-port={udp}", "--delay-shutdown=60")

    def ask(target: bytes) -> bytes:
        with (
            contextlib.suppress(ConnectionRefusedError, ConnectionResetError),
            socket.create_connection(("127.0.0.1", http), timeout=10) as client,
        ):
            client.sendall(b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % target)
            return client.recv(4096)
        return b""

    with running("netexec", *flags) as process:
        deadline = Deadline(10)
        while not ask(b"/hostname"):
            assert not deadline.passed
        process.terminate()
        while b"Connection: close" not in ask(b"/hostname"):  # It says that it is ending,
            assert not deadline.passed
        assert ask(b"/echo?msg=still").endswith(b"still")  # and goes on.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(10)
            client.sendto(b"echo x", ("127.0.0.1", udp))
            assert client.recv(100) == b"x"
        process.terminate()
        assert process.wait(10) == 0


def test_signal_that_comes_before_all_threads_run_is_not_lost_and_kills_none() -> None:
    for _ in range(5):
        http, udp = free_port(socket.SOCK_STREAM), free_port(socket.SOCK_DGRAM)
        with running("netexec", f"--http-port={http}", f"--udp-port={udp}") as process:
            process.terminate()
            assert process.wait(10) == 0

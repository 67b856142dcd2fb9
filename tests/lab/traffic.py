"""Traffic of a whole cluster that must not break: one speaker per place, many streams in each.

`streams` has one process per end of a stream; a cluster's pairs are dozens, and so many processes
would load the machine more than what is tested. A speaker answers what others send, numbered
datagrams with the source it saw, and sends its own at an absolute schedule. Loss is what was not
answered: both directions of every pair count.
"""

import contextlib
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, Final

from tests.lab.cluster import Cluster, eventually, joining
from tests.lab.faulty_node import LONG

from ciliate.lab.cgroup import LabCgroup

#: A cluster has dozens of streams, and each packet of one costs programs in Python their turn. At the
#: full rate they and the servers they ask took two fifths of what labs took of two processors.
RATE_HZ: Final = 100 if LONG else 25
PORT: Final = 9000

#: A TCP connection says a line so often, in ticks of the datagrams' rate.
_TCP_EVERY: Final = 5 if LONG else 2

_SPEAKER: Final = """
import json, os, selectors, socket, struct, sys, time
PORT, RATE_HZ, TCP_EVERY = map(int, sys.argv[1:4])
sel = selectors.DefaultSelector()
streams = {}

def family(address):
    return socket.AF_INET6 if ':' in address else socket.AF_INET

def on_event(sock, called):
    sock.setblocking(False)
    sel.register(sock, selectors.EVENT_READ, called)

def echo(sock):
    try:
        while True:
            data, peer = sock.recvfrom(64)
            sock.sendto(data[:8] + peer[0].encode(), peer)
    except BlockingIOError:
        pass

def welcome(sock):
    try:
        accepted, peer = sock.accept()
    except BlockingIOError:
        return
    accepted.setblocking(False)
    sel.register(accepted, selectors.EVENT_READ, repeat)

def repeat(sock):
    try:
        data = sock.recv(65536)
        if data:
            sock.sendall(data)
            return
    except BlockingIOError:
        return
    except OSError:
        pass
    sel.unregister(sock)
    sock.close()

class Udp:
    def __init__(self, address, port, get):
        self.sock = socket.socket(family(address), socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)
        self.sock.connect((address, port))
        self.sent, self.got, self.twice, self.sources, self.errors = 0, set(), 0, {}, []
        self.open = True
        on_event(self.sock, self.read)
    def tick(self, number):
        try:
            self.sock.send(struct.pack('!q', self.sent))
        except OSError as error:
            self.errors.append(str(error))
        self.sent += 1
    def read(self, sock):
        try:
            while True:
                data = sock.recv(128)
                number, = struct.unpack('!q', data[:8])
                self.twice += number in self.got
                self.got.add(number)
                source = data[8:].decode()
                self.sources[source] = self.sources.get(source, 0) + 1
        except BlockingIOError:
            pass
        except OSError as error:
            self.errors.append(str(error))
    def missing(self):
        return self.sent - len(self.got)
    def report(self):
        lost = [n for n in range(self.sent) if n not in self.got]
        return {'sent': self.sent, 'lost': len(lost), 'first_lost': lost[:5], 'twice': self.twice,
                'sources': self.sources, 'errors': list(dict.fromkeys(self.errors))[:3]}

class Tcp:
    def __init__(self, address, port, get):
        self.sock = socket.create_connection((address, port), timeout=5)
        self.get, self.sent, self.got, self.errors, self.open = get, 0, 0, [], True
        if get:
            self.sock.sendall(f'GET {get} HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'.encode())
        self.last, self.gap = time.monotonic(), 0.0
        on_event(self.sock, self.read)
    def tick(self, number):
        if self.get or number % TCP_EVERY or self.errors:
            return
        try:
            self.sent += self.sock.send(b'%015d\\n' % number)
        except OSError as error:
            self.errors.append(str(error))
    def read(self, sock):
        try:
            data = sock.recv(65536)
        except BlockingIOError:
            return
        except OSError as error:
            data = b''
            self.errors.append(str(error))
        if not data:
            self.errors.append('closed by the other end')
            sel.unregister(sock)
            self.open = False
            return
        self.got += len(data)
        now = time.monotonic()
        self.gap, self.last = max(self.gap, now - self.last), now
    def missing(self):
        return 0 if self.get or self.errors else self.sent - self.got
    def report(self):
        info = self.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
        return {'sent': self.sent, 'got': self.got, 'gap_s': round(self.gap, 3),
                'lost': self.missing(), 'errors': self.errors[:3],
                'retransmits': struct.unpack_from('=I', info, 100)[0]}

def end(names):
    ended = {name: streams.pop(name) for name in names}
    deadline = time.monotonic() + 3
    while any(s.missing() for s in ended.values()) and time.monotonic() < deadline:
        step(0.02)
    found = {}
    for name, stream in ended.items():
        found[name] = stream.report()
        if stream.open:
            sel.unregister(stream.sock)
        stream.sock.close()
    return found

def listen(address):
    udp = socket.socket(family(address), socket.SOCK_DGRAM)
    udp.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)
    udp.bind((address, PORT))
    on_event(udp, echo)
    tcp = socket.create_server((address, PORT), family=family(address))
    on_event(tcp, welcome)

def command(words):
    if words['do'] == 'end':
        return end(words['names'])
    if words['do'] == 'errors':
        return {name: len(stream.errors) for name, stream in streams.items()}
    if words['do'] == 'listen':
        listen(words['at'])
    else:
        kind = {'udp': Udp, 'tcp': Tcp}[words['do']]
        streams[words['name']] = kind(words['to'], words['port'], words.get('get'))
    return {}

def obey(_):
    global typed
    data = os.read(0, 65536)
    if not data:
        sys.exit()
    typed += data
    *lines, typed = typed.split(b'\\n')
    for line in lines:
        try:
            answer = command(json.loads(line))
        except OSError as error:
            answer = {'error': f'{line.decode()}: {error}'}
        print(json.dumps(answer), flush=True)

ticks, start = 0, time.monotonic()
def step(longest):
    global ticks
    now = time.monotonic()
    while now >= start + ticks / RATE_HZ:
        ticks += 1
        for stream in list(streams.values()):
            stream.tick(ticks)
    wait = min(longest, max(0.0, start + ticks / RATE_HZ - time.monotonic()))
    for key, _ in sel.select(wait):
        if key.data is obey and longest < 0.5:
            continue  # A command under way: the next one comes after it.
        if key.data is obey or key.fileobj.fileno() >= 0:  # Not closed by the one before.
            key.data(key.fileobj)

typed = b''
sel.register(0, selectors.EVENT_READ, obey)
while True:
    step(1.0)
"""

_PYTHON: Final = ("/usr/bin/python3", "-S", "-u", "-c")
_UNTIL_THE_TEST_ENDS: Final = ("setpriv", "--pdeathsig", "KILL")
_NAMESPACES: Final = ("net", "uts")


class Speaker:
    """A place that answers and sends; `ask` is one command to its program."""

    def __init__(self, lab: Cluster, folder: str, name: str, addresses: Sequence[str]) -> None:
        self.name = name
        self.addresses = {6 if ":" in address else 4: address for address in addresses}
        pins = lab.folder / folder / "ns"
        entering = [f"--{kind}={pins / kind}" for kind in _NAMESPACES]
        # The machine's group: a pod's own one, and all in it, ends with the pod.
        group = LabCgroup.of(lab.name).make(f"{folder.partition('/')[0]}/exec")
        numbers = (str(PORT), str(RATE_HZ), str(_TCP_EVERY))
        self._program = subprocess.Popen(
            [
                *joining(group),
                *_UNTIL_THE_TEST_ENDS,
                "nsenter",
                *entering,
                "--",
                *_PYTHON,
                _SPEAKER,
                *numbers,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for address in addresses:
            self.ask(do="listen", at=address)

    def ask(self, **words: Any) -> Any:
        """Send a command and return the answer."""
        assert self._program.stdin is not None
        assert self._program.stdout is not None
        self._program.stdin.write(json.dumps(words) + "\n")
        self._program.stdin.flush()
        answer = json.loads(self._program.stdout.readline() or '{"error": "the program ended"}')
        if "error" in answer:
            raise AssertionError(f"{self.name}: {answer['error']}")
        return answer

    def close(self) -> None:
        """End the program; what it still sent or answered ends with it."""
        self._program.kill()
        self._program.communicate()


@dataclass(slots=True)
class Traffic:
    """The speakers by name, and the streams that run between them."""

    speakers: dict[str, Speaker] = field(default_factory=dict)
    _running: dict[str, set[str]] = field(
        default_factory=dict
    )  # Stream -> the speakers that take part.
    _expected: dict[str, str] = field(default_factory=dict)  # Stream -> the source to be seen.
    reports: dict[str, dict[str, Any]] = field(default_factory=dict)

    def pair(self, source: str, target: str, *, seen_as: str | None = "its own") -> None:
        """Datagrams and a connection from one speaker to another, on each family.

        `seen_as` None: whatever source the receiver sees is right, if it is always one.
        """
        here, there = self.speakers[source], self.speakers[target]
        for version in sorted(here.addresses.keys() & there.addresses.keys()):
            name = f"{source} > {target} IPv{version}"
            self._start("udp", f"{name} UDP", here, there.addresses[version], port=PORT)
            self._start("tcp", f"{name} TCP", here, there.addresses[version], port=PORT)
            self._running[f"{name} UDP"].add(target)
            self._running[f"{name} TCP"].add(target)
            if seen_as is not None:
                self._expected[f"{name} UDP"] = here.addresses[version]

    def connection(self, source: str, target: str) -> None:
        """A connection alone, from one speaker to another, on each family."""
        here, there = self.speakers[source], self.speakers[target]
        for version in sorted(here.addresses.keys() & there.addresses.keys()):
            name = f"{source} > {target} IPv{version} TCP"
            self._start("tcp", name, here, there.addresses[version], port=PORT)
            self._running[name].add(target)

    def to_server(self, source: str, server: str, address: str) -> None:
        """Datagrams to a machine's echo, and a connection to its web server."""
        here = self.speakers[source]
        name = f"{source} > {server} IPv{6 if ':' in address else 4}"
        self._start("udp", f"{name} UDP", here, address, port=7)
        self._start("tcp", f"{name} TCP", here, address, port=80, get=_SLOW)

    def _start(
        self, kind: str, name: str, here: Speaker, address: str, *, port: int, get: str = ""
    ) -> None:
        assert name not in self._running, name
        here.ask(do=kind, name=name, to=address, port=port, get=get)
        self._running[name] = {here.name}

    def end(self, *speakers: str) -> list[str]:
        """End every stream that one of them takes part in; what went wrong with each."""
        ending = [name for name, who in self._running.items() if who & set(speakers)]
        by_source: dict[str, list[str]] = {}
        for name in ending:
            del self._running[name]
            by_source.setdefault(name.partition(" > ")[0], []).append(name)
        problems = []
        for source, names in by_source.items():
            found = self.speakers[source].ask(do="end", names=names)
            self.reports.update(found)
            for name, report in found.items():
                problems += _problems(name, report, self._expected.pop(name, None))
        return problems

    def close(self, *speakers: str) -> None:
        """End programs; all of them when none is named."""
        for name in speakers or tuple(self.speakers):
            self.speakers.pop(name).close()


_SLOW: Final = f"/slow?interval={0.05 if LONG else 0.2}&count=1000000"


def _problems(name: str, report: Mapping[str, Any], source: str | None) -> list[str]:
    found = []
    if report["lost"] or report["errors"] or report.get("twice"):
        found.append(f"{name}: {json.dumps(report)}")
    if not report["sent"] and not report.get("got"):
        found.append(f"{name}: nothing was sent")
    sources = report.get("sources", {})
    if len(sources) > 1 or (source and set(sources) != {source}):
        found.append(f"{name}: seen as {sources}, not {source or 'one'}")
    return found


@contextlib.contextmanager
def watched_endpoints(lab: Cluster) -> Iterator[list[str]]:
    """Yields problems: addresses that two pods had at once; complete after the block."""
    environment = {**os.environ, "KUBECONFIG": str(lab.folder / "kubeconfig")}
    words = ["kubectl", "get", "ciliumendpoints", "-A", "--watch", "--output-watch-events"]
    problems: list[str] = []
    with (
        tempfile.TemporaryFile("w+") as seen,
        subprocess.Popen(
            [*words, "-o", "json"], stdout=seen, text=True, env=environment
        ) as watching,
    ):
        try:
            yield problems
            # The watch has shown everything once it shows an object created last.
            last = _mark(lab)
            eventually(lambda: any(e[1] == last for e in _events(seen)), what="the watch's end")
        finally:
            watching.kill()
        owners: dict[str, str] = {}
        for event, _name in _events(seen):
            problems += _double(event, owners)
    lab.kubectl("delete", "ciliumendpoint", last)


def _events(seen: IO[str]) -> list[tuple[Any, str]]:
    """The events so far, each with the name of its object."""
    seen.seek(0)
    text, found, decoder = seen.read().lstrip(), [], json.JSONDecoder()
    while text:
        try:
            event, end = decoder.raw_decode(text)
        except json.JSONDecodeError:
            break  # Half of one; it is whole next time.
        found.append((event, event["object"]["metadata"]["name"]))
        text = text[end:].lstrip()
    return found


def _mark(lab: Cluster) -> str:
    name = "the-last-one"
    body = {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumEndpoint",
        "metadata": {"name": name, "namespace": "default"},
        "status": {},
    }
    lab.kubectl("create", "-f", "-", text=json.dumps(body))
    return name


def _double(event: Mapping[str, Any], owners: dict[str, str]) -> Iterator[str]:
    metadata = event["object"]["metadata"]
    pod = f"{metadata['namespace']}/{metadata['name']}"
    for address in [a for a, owner in owners.items() if owner == pod]:
        del owners[address]
    if event["type"] == "DELETED":
        return
    networking = event["object"].get("status", {}).get("networking") or {}
    for pair in networking.get("addressing") or []:
        for address in pair.values():
            other = owners.setdefault(address, pod)
            if other != pod:
                yield f"{address} was the address of {other} and {pod} at once"

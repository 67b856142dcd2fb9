"""Traffic that no fault may interrupt: datagrams at 1 kHz and one TCP connection, both counted.

The programs run inside pods and machines. Senders keep to an absolute schedule: a machine that is
busy makes them late, never slower on average. Every byte of the connection says when it was sent,
by the clock that all share, and a receiver measures how long it did not run: what is left is the
network's.
"""

import contextlib
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from tests.lab.cluster import Cluster

RATE_HZ: Final = 1000

#: The machine `internet` of every lab.
INTERNET: Final = "203.0.113.10"

_UDP_RECEIVER: Final = """
import json, select, socket, struct, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE: our own slowness loses nothing.
s.bind(('', 9000))
s.settimeout(0.5)
print('listening', flush=True)
seen, twice, last, gap, gap_at, end = set(), 0, None, 0.0, 0, None
while True:
    try:
        data = s.recv(64)
    except TimeoutError:
        if end is not None or select.select([sys.stdin], [], [], 0)[0]:
            break
        continue
    now = time.monotonic()
    number, = struct.unpack('!q', data[:8])
    if number < 0:
        end = -number
        s.settimeout(0.5)
        continue
    twice += number in seen
    seen.add(number)
    if last is not None and now - last > gap:
        gap, gap_at = now - last, number
    last = now
print(json.dumps({'received': len(seen), 'twice': twice, 'highest': max(seen, default=-1),
                  'gap_s': gap, 'gap_at': gap_at}))
"""

_UDP_SENDER: Final = """
import json, select, socket, struct, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect((sys.argv[1], 9000))
period = 1 / float(sys.argv[2])
start, number, late, errors = time.monotonic(), 0, 0.0, 0
print('sending', flush=True)
poll = select.poll()
poll.register(0, select.POLLIN)
while True:
    due = start + number * period
    now = time.monotonic()
    if now < due:
        time.sleep(due - now)
    else:
        late = max(late, now - due)
    try:
        s.send(struct.pack('!q', number) + bytes(56))
    except OSError as error:
        errors += 1
        print(error, file=sys.stderr, flush=True)
    number += 1
    if number % 16 == 0 and poll.poll(0):
        break
elapsed = time.monotonic() - start
for _ in range(5):
    s.send(struct.pack('!q', -number))
print(json.dumps({'sent': number, 'elapsed_s': elapsed, 'late_s': late, 'errors': errors}))
"""

_TCP_SERVER: Final = """
import json, socket, struct, sys, time
listening = socket.create_server(('', 9001))
print('listening', flush=True)
s, _ = listening.accept()
s.settimeout(10)
due, sent = time.monotonic(), 0
while True:
    due += 0.01
    time.sleep(max(0.0, due - time.monotonic()))
    try:
        s.sendall(struct.pack('=d', time.monotonic()))
    except ConnectionError:
        break
    sent += 1
    info = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
print(json.dumps({'sent': sent, 'retransmits': struct.unpack_from('=I', info, 100)[0]}))
"""

_TCP_CLIENT: Final = """
import json, select, socket, struct, sys, time
s = socket.create_connection((sys.argv[1], 9001), timeout=5)
print('connected', flush=True)
received, delay, problem = b'', 0.0, ''
WAIT_S = 0.05
silent_since = asked = time.monotonic()
while True:
    ready, _, _ = select.select([s, 0], [], [], WAIT_S)
    now = time.monotonic()
    overslept, asked = max(0.0, now - asked - WAIT_S), now  # Our own slowness is no delay.
    if s in ready:
        try:
            data = s.recv(65536)
        except OSError as error:
            problem = str(error)
            break
        if not data:
            problem = 'closed by the server'
            break
        received += data
        silent_since = now
        for (at,) in struct.iter_unpack('=d', received[:len(received) // 8 * 8]):
            delay = max(delay, now - at - overslept)
        received = received[len(received) // 8 * 8:]
    elif 0 in ready:
        break
    elif now - silent_since > 10:
        problem = 'silence for 10 s'
        break
print(json.dumps({'delay_s': delay, 'problem': problem}))
"""


@dataclass(slots=True)
class Report:
    """What both ends counted; filled when the stream has ended."""

    facts: dict[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        """A fact by name."""
        return self.facts[name]

    def __str__(self) -> str:
        """For the messages of failed asserts."""
        return json.dumps(self.facts)


@contextlib.contextmanager
def _program(lab: Cluster, place: str, text: str, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A program that has said its first line."""
    with lab.background(place, "python3", "-u", "-c", text, *words) as running:
        try:
            assert running.stdout is not None
            line = running.stdout.readline()
            if not line:
                assert running.stderr is not None
                raise AssertionError(f"{place}: {running.stderr.read()}")
            yield running
        finally:
            running.kill()


def _ended(running: subprocess.Popen[str], *, ask: bool = True) -> dict[str, Any]:
    """Ask a program to end; its last line."""
    printed, errors = running.communicate("end\n" if ask else "", timeout=30)
    if not printed.strip():
        raise AssertionError(f"no report: {errors}")
    return {**json.loads(printed.splitlines()[-1]), "stderr": errors[:400]}


@contextlib.contextmanager
def udp_stream(lab: Cluster, source: str, target: str, address: str) -> Iterator[Report]:
    """Numbered datagrams from pod to pod, 1,000 a second, for as long as the block lasts."""
    report = Report()
    with (
        _program(lab, target, _UDP_RECEIVER) as receiver,
        _program(lab, source, _UDP_SENDER, address, str(RATE_HZ)) as sender,
    ):
        yield report
        sent = _ended(sender)
        report.facts = {**sent, **_ended(receiver), "stderr": sent["stderr"]}


@contextlib.contextmanager
def tcp_stream(lab: Cluster, source: str) -> Iterator[Report]:
    """One connection to the internet, on which its server says the time every 10 ms."""
    report = Report()
    with (
        _program(lab, "internet", _TCP_SERVER) as server,
        _program(lab, source, _TCP_CLIENT, INTERNET) as client,
    ):
        yield report
        received = _ended(client)
        client.wait(timeout=30)
        report.facts = {**_ended(server, ask=False), **received}


def assert_unbroken(udp: Report) -> None:
    """Every datagram came, once, and the rate was what it should be."""
    rate_hz = udp["sent"] / udp["elapsed_s"]
    assert udp["errors"] == 0, udp
    assert udp["received"] == udp["sent"], f"{udp['sent'] - udp['received']} lost: {udp}"
    assert udp["twice"] == 0, udp
    assert rate_hz > 0.97 * RATE_HZ, f"{rate_hz:.0f} Hz: {udp}"


def assert_alive(tcp: Report) -> None:
    """The connection lived, and what was said came at once."""
    assert tcp["problem"] == "", tcp
    assert tcp["sent"] > 0, tcp
    assert tcp["delay_s"] < 1.0, tcp

"""Asks a name server from inside a lab: dnspython, run by the interpreter of the tests."""

import json
import sys
from dataclasses import dataclass
from typing import Final

from tests.lab.cluster import Cluster

#: argv: server, protocol, then "name/type" each; prints a JSON list with an entry for each.
_SCRIPT: Final = """
import json, sys
import dns.exception, dns.flags, dns.message, dns.query
server, protocol, *questions = sys.argv[1:]
found = []
for question in questions:
    name, _, kind = question.partition("/")
    query = dns.message.make_query(name, kind, use_edns=0)
    try:
        answer = getattr(dns.query, protocol)(query, server, timeout=6)
    except (dns.exception.DNSException, OSError) as error:
        found.append({"rcode": str(error), "flags": "", "records": []})
        continue
    found.append({
        "rcode": answer.rcode().name,
        "flags": dns.flags.to_text(answer.flags),
        "records": [f"{s.rdtype.name} {r.to_text()}" for s in answer.answer for r in s],
    })
print(json.dumps(found))
"""


@dataclass(frozen=True, slots=True)
class Told:
    """An answer: its code, its flags, "type data" of its records."""

    rcode: str
    flags: str
    records: list[str]


def ask(
    lab: Cluster, where: str, server: str, *questions: str, protocol: str = "udp"
) -> list[Told]:
    """The answers to questions such as `kubernetes.default.svc.cluster.local/A`, asked at a place."""
    words = (sys.executable, "-c", _SCRIPT, server, protocol, *questions)
    return [Told(**each) for each in json.loads(lab.exec(where, *words))]

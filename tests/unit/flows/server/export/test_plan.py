"""`flows/server/export/plan.py`: only what differs is begun or ended."""

from ciliate.flows.server.export.errors import FlowLogError
from ciliate.flows.server.export.flow_log import FlowLog
from ciliate.flows.server.export.log_list import LogList
from ciliate.flows.server.export.plan import Changes, plan


def logs(**paths: str) -> dict[str, FlowLog]:
    return {name: FlowLog(name=name, path=path) for name, path in paths.items()}


def test_what_is_listed_becomes_what_is_written() -> None:
    found = plan(
        logs(same="/s", other="/o", gone="/g"), LogList(logs(same="/s", other="/p", new="/n"))
    )

    assert found == Changes(add=("new",), update=("other",), remove=("gone",))


def test_log_whose_entry_is_wrong_now_stays_as_it_was() -> None:
    refused = {"a": FlowLogError("flow log 'a'", "wrong"), "never": FlowLogError("x", "wrong")}

    assert plan(logs(a="/a"), LogList({}, refused)) == Changes((), (), ())


def test_unless_another_has_its_file_now() -> None:
    refused = {"a": FlowLogError("flow log 'a'", "wrong")}

    found = plan(logs(a="/a"), LogList(logs(b="/a"), refused))

    assert found == Changes(add=("b",), update=(), remove=("a",))

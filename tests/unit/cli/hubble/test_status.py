"""`hubble status` with a server that answers."""

import json
from pathlib import Path

import grpc
import pytest
from click.testing import CliRunner, Result
from grpc_health.v1 import health_pb2
from tests.unit.cli.hubble.running_server import Answers, running

from ciliate.cli.hubble.errors import CallFailedError
from ciliate.cli.hubble.status import NotHealthyError, StatusFailedError, command
from ciliate.flows.pb.observer import observer_pb2

STATUS = observer_pb2.ServerStatusResponse(num_flows=3, max_flows=4095, flows_rate=0.5)


def status(answers: Answers, folder: Path, *words: str) -> tuple[Result, str]:
    with running(answers, folder) as address:
        return CliRunner().invoke(command, ["--server", address, *words]), address


def test_server_that_is_well_says_how_much_it_keeps(tmp_path: Path) -> None:
    result, address = status(Answers(status=STATUS), tmp_path)

    assert result.stdout == (
        f"Healthcheck (via {address}): Ok\nCurrent/Max Flows: 3/4,095 (0.07%)\nFlows/s: 0.50\n"
    )
    assert result.exit_code == 0


@pytest.mark.parametrize("form", ["json", "jsonpb", "dict", "table"])
def test_forms_for_programs_have_nothing_else_in_them(tmp_path: Path, form: str) -> None:
    result, _ = status(Answers(status=STATUS), tmp_path, "-o", form)

    assert "Healthcheck" not in result.stdout
    assert result.exit_code == 0
    if form.startswith("json"):
        assert json.loads(result.stdout)["max_flows"] == "4095"


def test_server_that_is_not_well_is_a_failure(tmp_path: Path) -> None:
    answers = Answers(health=health_pb2.HealthCheckResponse.NOT_SERVING)

    result, address = status(answers, tmp_path)

    assert result.stdout == f"Healthcheck (via {address}): Unavailable: NOT_SERVING\n"
    assert isinstance(result.exception, NotHealthyError)
    assert str(result.exception) == "not healthy"


def test_server_without_that_service_is_named_by_its_error(tmp_path: Path) -> None:
    class Unknown(Answers):
        def Check(self, request: object, context: grpc.ServicerContext) -> None:  # type: ignore[override] # noqa: ARG002, N802
            context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")

    result, _ = status(Unknown(), tmp_path)

    assert isinstance(result.exception, StatusFailedError)
    assert isinstance(result.exception.__cause__, CallFailedError)
    assert str(result.exception) == (
        "failed getting status: rpc error: code = NotFound desc = unknown service"
    )

"""`services/replacement.py`: kube-proxy is replaced when everything that does it is at work."""

from ciliate.reconcile.status import RunStatus
from ciliate.services.replacement import in_force


def test_part_that_fails_or_has_not_run_keeps_kube_proxy() -> None:
    sync, attached = RunStatus("sync-services"), RunStatus("attach-socket-programs")
    sync.succeeded()

    assert in_force((sync, attached)) == "attach-socket-programs: not done yet"
    attached.succeeded()
    assert in_force((sync, attached)) == ""
    sync.failed("10.96.0.1:443: no room")
    assert in_force((sync, attached)) == "sync-services: 10.96.0.1:443: no room"

import pytest

from ciliate.lab.kubelet.restart_policy import RestartBackoff, restarts


def test_first_restart_is_immediate_then_pauses_double_to_five_minutes() -> None:
    backoff = RestartBackoff()
    pauses = []
    for second in range(9):
        backoff.note_start(float(second))
        backoff.note_exit(float(second))
        pauses.append(backoff.left_s(float(second)))

    assert pauses == [0, 10, 20, 40, 80, 160, 300, 300, 300]


def test_ten_minutes_of_running_forgive() -> None:
    backoff = RestartBackoff()
    for _ in range(4):
        backoff.note_exit(0.0)

    backoff.note_start(1.0)
    backoff.note_exit(601.0)

    assert backoff.left_s(601.0) == 0


@pytest.mark.parametrize(
    ("policy", "code", "again"),
    [
        ("Always", 0, True),
        ("Always", 1, True),
        ("OnFailure", 0, False),
        ("OnFailure", 1, True),
        ("Never", 1, False),
    ],
)
def test_restart_policy(policy: str, code: int, again: bool) -> None:  # noqa: FBT001 - a table.
    assert restarts(policy, code) is again

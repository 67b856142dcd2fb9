"""Work that takes too long, by a clock of the test's."""

import pytest

from ciliate.netlink.work_watch import LateWork, WorkWatch


def test_work_is_late_from_its_time_on_until_it_ends() -> None:
    now = 100.0
    watch = WorkWatch(clock=lambda: now)

    with watch.at("maker", "create lxc1"):
        now = 110.0
        with watch.at("remover", "remove lxc2"):
            now = 130.0
            assert watch.late(after_s=30) == ()
            now = 131.0
            assert watch.late(after_s=30) == (LateWork("maker", "create lxc1", 31.0),)
            now = 200.0
            assert [work.what for work in watch.late(after_s=30)] == ["create lxc1", "remove lxc2"]
        assert str(watch.late(after_s=30)[0]) == '"create lxc1" for 100 s'

    assert watch.late(after_s=0) == ()


def test_work_that_fails_is_no_more_under_way() -> None:
    watch = WorkWatch()

    with pytest.raises(ZeroDivisionError), watch.at("maker", "create lxc1"):
        _ = 1 / 0

    assert watch.late(after_s=-1) == ()

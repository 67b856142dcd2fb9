from tests.unit.lab.controllers.pod_samples import pod

from ciliate.api.metadata import ObjectMeta
from ciliate.api.service import Service
from ciliate.lab.controllers.trigger_times import TriggerTimes, pod_trigger, service_trigger

EARLY, LATE = "2025-07-01T12:00:00Z", "2025-07-01T12:00:05Z"
KEY = ("default", "web")


def test_pod_is_news_since_its_condition_turned() -> None:
    assert pod_trigger(None, pod("a", since=EARLY)) == EARLY
    assert pod_trigger(pod("a", ready=False, since=EARLY), pod("a", since=LATE)) == LATE


def test_other_changes_of_a_pod_have_no_time() -> None:
    assert pod_trigger(pod("a"), pod("a", labels={"app": "web"})) == ""
    assert pod_trigger(pod("a"), None) == ""


def test_service_is_news_since_it_was_made_and_never_again() -> None:
    service = Service(metadata=ObjectMeta(name="web", creation_timestamp=EARLY))

    assert service_trigger(None, service) == EARLY
    assert service_trigger(service, service) == ""
    assert service_trigger(service, None) == ""


def test_earliest_of_several_changes_is_told_once() -> None:
    times = TriggerTimes()
    for moment in (LATE, "2025-07-01T14:00:00+02:00", LATE, ""):
        times.note(KEY, moment)

    assert [times.take(KEY), times.take(KEY)] == [EARLY, ""]


def test_what_is_no_time_is_left_out() -> None:
    times = TriggerTimes()
    for moment in ("yesterday", "2025-07-01T12:00:00"):
        times.note(KEY, moment)

    assert times.take(KEY) == ""

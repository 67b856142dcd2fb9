"""src/ciliate/config/l2_settings.py: whether and how nodes announce on layer 2."""

import pytest

from ciliate.config.keys import KEYS
from ciliate.config.l2_settings import L2Settings, read_l2_settings
from ciliate.errors import SettingError


def read(**changed: str) -> L2Settings:
    texts = {name: key.default or "" for name, key in KEYS.items() if key.supported}
    wanted = {name.replace("_", "-"): text for name, text in changed.items()}
    return read_l2_settings({**texts, "kube-proxy-replacement": "true", **wanted})


def test_off_by_default_with_ciliums_times() -> None:
    assert read() == L2Settings(enabled=False, lease_s=15, renew_deadline_s=5, retry_s=2)


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ({"kube_proxy_replacement": "false"}, "enable-l2-announcements"),
        ({"l2_announcements_renew_deadline": "15s"}, "l2-announcements-renew-deadline"),
        ({"l2_announcements_retry_period": "5s"}, "l2-announcements-retry-period"),
        ({"l2_announcements_retry_period": "10ms"}, "l2-announcements-retry-period"),
        ({"l2_announcements_lease_duration": "2h"}, "l2-announcements-lease-duration"),
    ],
)
def test_contradictions_are_refused_where_it_is_on(changed: dict[str, str], key: str) -> None:
    with pytest.raises(SettingError) as refused:
        read(enable_l2_announcements="true", **changed)

    assert refused.value.key == key
    read(**changed)


def test_times_of_a_second_and_less_that_people_set_are_taken() -> None:
    found = read(
        enable_l2_announcements="true",
        l2_announcements_lease_duration="3s",
        l2_announcements_renew_deadline="1s",
        l2_announcements_retry_period="500ms",
    )

    assert found == L2Settings(enabled=True, lease_s=3, renew_deadline_s=1, retry_s=0.5)

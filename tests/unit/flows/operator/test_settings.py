"""`flows/operator/settings.py`: when the operator makes certificates, and for how long."""

from datetime import timedelta

import pytest

from ciliate.config.texts import Texts
from ciliate.errors import SettingError
from ciliate.flows.operator.settings import HubbleTlsSettings, parse_hubble_tls_settings

#: Flow servers that answer relays.
ANSWERING = {"enable-hubble": "true", "hubble-listen-address": ":4244"}


def parse(config: dict[str, str]) -> HubbleTlsSettings:
    return parse_hubble_tls_settings(Texts(config).effective)


def test_certificates_are_made_where_relays_are_answered() -> None:
    assert parse({**ANSWERING, "cluster-name": "east"}) == HubbleTlsSettings(
        enabled=True, validity=timedelta(days=365), cluster="east"
    )


@pytest.mark.parametrize(
    "change",
    [
        {"enable-hubble": "false"},
        {"hubble-listen-address": ""},
        {"hubble-disable-tls": "true"},
        {"hubble-tls-auto": "false"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_nothing_is_made_that_nobody_needs(change: dict[str, str]) -> None:
    assert not parse({**ANSWERING, **change}).enabled


@pytest.mark.parametrize(("text", "days"), [("1", 1), ("3650", 3650)])
def test_validity_is_in_days(text: str, days: int) -> None:
    config = {**ANSWERING, "hubble-tls-auto-cert-validity": text}

    assert parse(config).validity == timedelta(days=days)


@pytest.mark.parametrize("text", ["0", "-1", "3651"])
def test_validity_out_of_range_is_refused_with_what_would_do(text: str) -> None:
    with pytest.raises(SettingError) as refused:
        parse({**ANSWERING, "hubble-tls-auto-cert-validity": text})

    assert (refused.value.key, refused.value.value) == ("hubble-tls-auto-cert-validity", text)
    assert refused.value.remedy == "choose 1 to 3650 days"

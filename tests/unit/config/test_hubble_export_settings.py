"""`config/hubble_export_settings.py`: which flow logs are written, and what is refused."""

import pytest

from ciliate.config.helm import read_changes, words_of_values
from ciliate.config.hubble_export_settings import (
    HubbleExportSettings,
    read_hubble_export_settings,
)
from ciliate.config.texts import Texts
from ciliate.errors import SettingError


def read(config: dict[str, str]) -> HubbleExportSettings:
    return read_hubble_export_settings(Texts(config))


def test_no_flow_log_is_written_unless_it_is_asked_for() -> None:
    assert read({}) == HubbleExportSettings()
    assert not read({}).path
    assert not read({}).logs_path


def test_everything_that_is_said_holds() -> None:
    assert read(
        {
            "hubble-export-file-path": "/var/run/cilium/hubble/events.log",
            "hubble-export-file-max-size-mb": "1",
            "hubble-export-file-max-backups": "0",
            "hubble-export-file-compress": "true",
            "hubble-export-allowlist": '{"verdict":["DROPPED"]}',
            "hubble-export-denylist": '{"source_pod":["kube-system/"]}',
            "hubble-export-fieldmask": "time source.pod_name",
            "hubble-flowlogs-config-path": "/flowlog-config/flowlogs.yaml",
        }
    ) == HubbleExportSettings(
        path="/var/run/cilium/hubble/events.log",
        size_mb=1,
        backups=0,
        compress=True,
        allowlist='{"verdict":["DROPPED"]}',
        denylist='{"source_pod":["kube-system/"]}',
        fieldmask=("time", "source.pod_name"),
        logs_path="/flowlog-config/flowlogs.yaml",
    )
    assert read({"hubble-export-file-path": "stdout"}).path == "stdout"


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("hubble-export-file-path", "events.log", "is no absolute path"),
        ("hubble-export-file-path", "/var/log/", "names a folder"),
        ("hubble-export-file-path", "/var/run/../x", "goes up by"),
        ("hubble-flowlogs-config-path", "stdout", "is no absolute path"),
        ("hubble-export-file-max-size-mb", "0", "is out of range"),
        ("hubble-export-file-max-size-mb", "ten", "is no whole number"),
        ("hubble-export-file-max-backups", "-1", "is out of range"),
        ("hubble-export-file-compress", "gzip", "is no boolean"),
        ("hubble-export-allowlist", "DROPPED", "is no JSON"),
        ("hubble-export-denylist", '["DROPPED"]', "no object"),
    ],
)
def test_wrong_value_is_refused_naming_key_value_and_remedy(
    key: str, value: str, words: str
) -> None:
    with pytest.raises(SettingError, match=words) as refused:
        read({key: value})

    assert (refused.value.key, refused.value.value) == (key, value)
    assert refused.value.remedy


def test_lists_of_the_chart_are_texts_of_the_keys() -> None:
    values = {
        "allowList": ['{"verdict":["DROPPED","ERROR"]}', '{"source_pod":["shop/"]}'],
        "denyList": [],
        "fieldMask": ["time", "verdict"],
    }

    found = read_changes(words_of_values({"hubble": {"export": {"static": values}}})).config

    assert found == {
        "hubble-export-allowlist": '{"verdict":["DROPPED","ERROR"]},{"source_pod":["shop/"]}',
        "hubble-export-denylist": "",
        "hubble-export-fieldmask": "time verdict",
    }


@pytest.mark.parametrize(
    "value",
    [
        '{"verdict":["DROPPED"]}',
        '{{"verdict":["DROPPED"]}}',
        '["{\\"verdict\\":[\\"DROPPED\\"]}"]',
    ],
)
def test_filter_in_a_word_is_the_same_in_each_form(value: str) -> None:
    found = read_changes([f"hubble.export.static.allowList={value}"]).config

    assert found == {"hubble-export-allowlist": '{"verdict":["DROPPED"]}'}

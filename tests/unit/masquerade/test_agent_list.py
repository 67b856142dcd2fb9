"""What a file of ip-masq-agent excludes, and what is refused as a whole."""

from ipaddress import ip_network

import pytest

from ciliate.masquerade.agent_list import (
    DEFAULT_RANGES,
    FILE_BYTES_MAX,
    AgentFileError,
    read_ranges,
)

PATH = "/etc/config/ip-masq-agent"
LINK_LOCAL = "169.254.0.0/16"


def _read(text: str | None, versions: tuple[int, ...] = (4,)) -> list[str]:
    octets = None if text is None else text.encode()
    return [str(each) for each in read_ranges(octets, path=PATH, versions=versions)]


@pytest.mark.parametrize("text", [None, ""])
def test_missing_and_empty_file_exclude_private_and_special_ranges(text: str | None) -> None:
    found = read_ranges(None if text is None else b"", path=PATH, versions=(4, 6))

    assert set(found) == {*DEFAULT_RANGES, ip_network(LINK_LOCAL), ip_network("fe80::/10")}
    assert len(DEFAULT_RANGES) == 11


@pytest.mark.parametrize(
    "text", ["{}", "\n", "# nothing\n", "nonMasqueradeCIDRs:\n", "nonMasqueradeCIDRs: []", "a: 1"]
)
def test_file_without_ranges_excludes_what_is_link_local_alone(text: str) -> None:
    assert _read(text) == [LINK_LOCAL]


@pytest.mark.parametrize(
    "text",
    [
        '{"nonMasqueradeCIDRs":["10.10.1.0/24","10.10.2.0/24"]}',
        "nonMasqueradeCIDRs:\n- 10.10.2.0/24\n- 10.10.1.0/24\nresyncInterval: 60s\n",
        "{nonMasqueradeCIDRs: [10.10.1.0/24, 10.10.2.0/24]}",
        "nonmasqueradecidrs: [10.10.1.0/24, 10.10.2.7/24, 10.10.1.9/24]",
        "nonMasqueradeCIDRs: [10.10.1.0/24, 10.10.2.0/24, 'fd00::/8']",
    ],
    ids=["JSON of the chart", "YAML", "YAML's braces", "host bits, doubles, case", "IPv6 is off"],
)
def test_ranges_are_sorted_without_host_bits_and_doubles(text: str) -> None:
    assert _read(text) == ["10.10.1.0/24", "10.10.2.0/24", LINK_LOCAL]


@pytest.mark.parametrize(
    ("text", "excluded"),
    [
        ("masqLinkLocal: true", ["fe80::/10"]),
        ("masqLinkLocalIPv6: true", [LINK_LOCAL]),
        ("masqLinkLocal: true\nmasqLinkLocalIPv6: true", []),
        ("masqLinkLocal: false\nmasqLinkLocalIPv6:", [LINK_LOCAL, "fe80::/10"]),
    ],
)
def test_link_local_ranges_are_switched_by_family(text: str, excluded: list[str]) -> None:
    assert _read(text, versions=(4, 6)) == excluded


@pytest.mark.parametrize(
    ("text", "line", "shown"),
    [
        ("nonMasqueradeCIDRs:\n- 10.0.0.0/8\n- 10.0.0.1\n", 3, 'Invalid CIDR "10.0.0.1"'),
        ("nonMasqueradeCIDRs:\n- 10.0.0.0/33\n", 2, 'Invalid CIDR "10.0.0.0/33"'),
        ("nonMasqueradeCIDRs:\n- 10.0.0.0/255.0.0.0\n", 2, "no network"),
        ("nonMasqueradeCIDRs:\n- fe80::%eth0/64\n", 2, "no network"),
        ("nonMasqueradeCIDRs:\n- '::ffff:10.0.0.0/104'\n", 2, "IPv4 written as IPv6"),
        ("nonMasqueradeCIDRs:\n- 5\n", 2, 'Invalid CIDR "5"'),
        ("nonMasqueradeCIDRs:\n- [10.0.0.0/8]\n", 0, "Invalid CIDR"),
        ("\nnonMasqueradeCIDRs: 10.0.0.0/8\n", 2, "write a list"),
        ('masqLinkLocal: "yes"\n', 1, "write true or false"),
        ("- 10.0.0.0/8\n", 1, "begin with `nonMasqueradeCIDRs:`"),
        ("nonMasqueradeCIDRs: [", 0, "is no YAML"),
        ('{"nonMasqueradeCIDRs":["10.0.0.0/8"', 0, "is no YAML"),
    ],
)
def test_file_with_one_fault_is_refused_as_a_whole_with_its_line(
    text: str, line: int, shown: str
) -> None:
    with pytest.raises(AgentFileError) as caught:
        _read(text)

    assert caught.value.line == line
    assert shown in str(caught.value)
    assert PATH in str(caught.value)
    assert "ConfigMap kube-system/ip-masq-agent" in str(caught.value)


def test_lists_that_refer_to_each_other_are_refused_without_being_written_out() -> None:
    """Nine levels of ten references each: a thousand million words."""
    levels = ["a0: &a0 [" + ", ".join(["x"] * 10) + "]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]

    with pytest.raises(AgentFileError, match="Invalid CIDR"):
        _read("\n".join([*levels, "nonMasqueradeCIDRs: *a8"]))


def test_file_beyond_any_list_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(AgentFileError, match="octets"):
        read_ranges(b"#" * (FILE_BYTES_MAX + 1), path=PATH, versions=(4,))

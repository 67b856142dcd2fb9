"""src/ciliate/l2_announcements/report.py: what is shown."""

from ciliate.l2_announcements.report import Announced, announced_lines, families

FOUND = [Announced("192.0.2.1", "eth1", "default/web", 3)]


def test_table_has_ciliums_columns() -> None:
    assert announced_lines(FOUND) == ["IP\tNetworkInterface", "192.0.2.1\teth1"]


def test_metric_counts_the_addresses() -> None:
    (family,) = families(FOUND)

    assert (family.name, list(family.samples)) == ("ciliate_l2_announced_addresses", [((), 1)])

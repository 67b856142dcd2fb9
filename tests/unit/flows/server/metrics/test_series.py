"""`flows/server/metrics/series.py`: counts, their bound, and whose they are."""

from ciliate.flows.server.metrics.series import SeriesTable

WEB, DB = ("shop", "web-0"), ("shop", "db-0")


def count(table: SeriesTable, labels: tuple[str, ...], n: int, *holders: tuple[str, str]) -> None:
    if not table.add(labels, n):
        table.begin(labels, n, holders)


def test_flows_of_the_same_labels_are_one_series() -> None:
    table = SeriesTable()

    count(table, ("TCP", "80"), 2)
    count(table, ("TCP", "443"), 1)
    count(table, ("TCP", "80"), 3)

    assert dict(table.items()) == {("TCP", "80"): 5, ("TCP", "443"): 1}


def test_series_beyond_the_bound_are_refused_and_their_flows_counted() -> None:
    table = SeriesTable(series_max=2)
    for port in ("1", "2", "3", "4"):
        count(table, (port,), 10)

    count(table, ("1",), 1)

    assert dict(table.items()) == {("1",): 11, ("2",): 10}
    assert table.refused == 20


def test_series_go_with_one_of_those_whose_they_are() -> None:
    table = SeriesTable(series_max=2)
    count(table, ("web", "db"), 1, WEB, DB)
    count(table, ("db",), 1, DB)

    table.forget(WEB)
    count(table, ("other",), 1)  # There is room again.

    assert dict(table.items()) == {("db",): 1, ("other",): 1}
    table.forget(WEB)
    table.forget(DB)
    assert dict(table.items()) == {("other",): 1}

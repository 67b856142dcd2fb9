"""`services/problem_changes.py`: each problem is told once, and by one node."""

from tests.unit.services.service_objects import NODE, SETTINGS, key
from tests.unit.services.test_book import put

from ciliate.services.book import ServiceBook
from ciliate.services.model import ServiceKey
from ciliate.services.problem_changes import TOLD_MAX, Problem, ProblemChanges, shown, tells_of

ONE: Problem = (key("one"), "Service shop/one: why")
TWO: Problem = (key("two"), "Service shop/two: why")


def test_problem_is_told_when_it_comes_and_when_it_comes_again() -> None:
    changes = ProblemChanges()

    told = [changes.look(each) for each in ([ONE], [ONE, TWO], [TWO], [ONE, TWO])]

    assert [each.told for each in told] == [(ONE,), (TWO,), (), (ONE,)]
    assert [each.solved for each in told] == [0, 0, 1, 0]


def test_problem_with_another_text_is_told_anew() -> None:
    changes = ProblemChanges()
    changes.look([ONE])

    found = changes.look([(ONE[0], "Service shop/one: another")])

    assert [text for _, text in found.told] == ["Service shop/one: another"]
    assert found.solved == 1


def test_of_very_many_some_are_told_and_the_others_counted() -> None:
    many = [(key(str(n)), f"Service shop/{n}: why") for n in range(TOLD_MAX + 7)]

    found = ProblemChanges().look(many)

    assert (len(found.told), found.untold) == (TOLD_MAX, 7)
    assert shown(many)[-1] == "and 7 more problems of Services"
    assert len(shown(many)) == TOLD_MAX + 1


def test_one_node_tells_of_a_service_and_nodes_share_them() -> None:
    nodes = ["a", "b", "c"]
    services = [key(str(n)) for n in range(60)]

    tellers = [[node for node in nodes if tells_of(each, nodes, node)] for each in services]

    assert all(len(each) == 1 for each in tellers)
    assert {each[0] for each in tellers} == set(nodes)


def test_node_that_no_list_names_yet_may_tell() -> None:
    assert tells_of(key(), [], "a")


def test_pods_own_node_tells_of_its_host_ports() -> None:
    host_port = ServiceKey("shop", "web:host-port:80:6:uid")

    assert all(tells_of(host_port, ["a", "b"], node) for node in ("a", "b"))


def test_full_map_names_the_service_that_did_not_fit_and_the_setting() -> None:
    sizes = {"frontends": 2, "services": 2, "service_slots": 1}
    book = ServiceBook(NODE, SETTINGS, sizes=BIG | sizes)
    book.settle()
    put(book, "10.0.1.5", name="old")
    put(book, "10.0.1.6", name="young", clusterIP="10.96.0.8", created="2026-02-01T00:00:00Z")

    ((owner, text),) = ProblemChanges().look(book.problems()).told

    assert owner == key("young")
    assert text.startswith("Service shop/young: it is not served: the map ")
    assert "bpf-lb-map-max" in text


BIG = dict.fromkeys(("source_ranges", "maglev_tables"), 64)

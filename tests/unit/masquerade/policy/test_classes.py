"""Which rules select which pods."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciliate.api.metadata import LabelExpression, LabelSelector
from ciliate.masquerade.policy.classes import LocalPod, PodClasses
from ciliate.masquerade.rules import (
    UNSELECTED,
    Action,
    Origin,
    PodSelector,
    Rule,
    Selection,
    decision_order,
)


def _rule(pods: PodSelector | None) -> Rule:
    return Rule(name="p", origin=Origin.POLICY, action=Action.KEEP, pods=pods)


_labels = st.dictionaries(st.sampled_from("ab"), st.sampled_from("xy"), max_size=2)
_expressions = st.one_of(
    st.builds(
        LabelExpression,
        st.sampled_from("ab"),
        st.sampled_from(("In", "NotIn")),
        st.lists(st.sampled_from("xy"), min_size=1, max_size=2).map(tuple),
    ),
    st.builds(LabelExpression, st.sampled_from("ab"), st.sampled_from(("Exists", "DoesNotExist"))),
)
_selectors = st.none() | st.builds(
    LabelSelector, _labels, st.lists(_expressions, max_size=2).map(tuple)
)
_rules = st.none() | st.builds(
    PodSelector, _selectors, _selectors, st.sampled_from(("", "", "green", "blue"))
)
_pods = st.builds(
    LocalPod,
    _labels,
    _labels,
    st.dictionaries(st.sampled_from((4, 6)), st.sampled_from(("green", "blue")), max_size=2),
)


def _meets(selector: LabelSelector | None, labels: dict[str, str]) -> bool:
    """Kubernetes' words, anew."""
    if selector is None:
        return True
    for key, value in selector.match_labels.items():
        if key not in labels or labels[key] != value:
            return False
    for each in selector.match_expressions:
        there = each.key in labels
        is_met = {
            "In": there and labels.get(each.key) in each.values,
            "NotIn": not there or labels.get(each.key) not in each.values,
            "Exists": there,
            "DoesNotExist": not there,
        }[each.operator]
        if not is_met:
            return False
    return True


@given(st.lists(_rules, max_size=5), st.lists(_pods, max_size=5))
def test_pod_is_selected_by_the_rules_of_which_every_part_selects_it(
    selectors: list[PodSelector | None], pods: list[LocalPod]
) -> None:
    classes = PodClasses([_rule(each) for each in selectors])

    found = classes.selections(dict(enumerate(pods)))

    assert bool(classes) is any(each is not None for each in selectors)
    for number, pod in enumerate(pods):
        for version in pod.pools or (4, 6):
            wanted = {
                place
                for place, each in enumerate(selectors)
                if each is not None
                and (not each.pool or each.pool == pod.pools.get(version))
                and _meets(each.namespaces, dict(pod.namespace_labels))
                and _meets(each.pods, dict(pod.labels))
            }
            assert found[number].of(version) == wanted
            assert classes.selection(pod).of(version) == wanted


def test_places_are_those_of_the_list_that_was_given() -> None:
    rules = decision_order(
        native=[ip_network("10.0.0.0/8")], policies=[_rule(None), _rule(PodSelector(pool="green"))]
    )

    selection = PodClasses(rules).selection(LocalPod({}, {}, {4: "green", 6: "blue"}))

    assert [rules[place].pods for place in selection.ipv4] == [PodSelector(pool="green")]
    assert selection.ipv6 == frozenset()


def test_family_that_a_pod_has_not_makes_no_class_of_its_own() -> None:
    classes = PodClasses([_rule(PodSelector(pool="green"))])

    single = classes.selection(LocalPod({}, {}, {6: "green"}))
    dual = classes.selection(LocalPod({}, {}, {4: "green", 6: "green"}))

    assert single == dual == Selection(frozenset({0}), frozenset({0}))


@pytest.mark.parametrize("pools", [{}, {4: "default"}, {4: "default", 6: "default"}])
def test_pod_that_no_rule_selects_is_as_one_whose_labels_are_not_known(
    pools: dict[int, str],
) -> None:
    classes = PodClasses([_rule(PodSelector(pods=LabelSelector({"app": "web"})))])

    assert classes.selection(LocalPod({}, {"app": "db"}, pools)) == UNSELECTED

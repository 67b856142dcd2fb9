"""`ipam/selection.py`: the first rule that names a pool wins; no annotation breaks it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciliate.api.metadata import LabelExpression, LabelSelector, ObjectMeta
from ciliate.api.pod_ip_pool import CiliumPodIPPool, PodIPPoolSpec, PoolCIDRs
from ciliate.ipam.errors import (
    ObjectUnknownError,
    PoolAmbiguousError,
    PoolFamilyError,
    PoolNameError,
    PoolRequiredError,
    PoolSelectionError,
    PoolsNotSyncedError,
    PoolUnknownError,
)
from ciliate.ipam.selection import select_pool

V4 = PoolCIDRs(cidrs=("10.0.0.0/16",), mask_size=24)
V6 = PoolCIDRs(cidrs=("fd00::/104",), mask_size=120)
ANY = LabelSelector()
IP_POOL = "ipam.cilium.io/ip-pool"
REQUIRE = "ipam.cilium.io/require-pool-match"


def _pool(
    *,
    ipv4: PoolCIDRs | None = V4,
    ipv6: PoolCIDRs | None = V6,
    pods: LabelSelector | None = None,
    namespaces: LabelSelector | None = None,
) -> CiliumPodIPPool:
    spec = PodIPPoolSpec(ipv4=ipv4, ipv6=ipv6, pod_selector=pods, namespace_selector=namespaces)
    return CiliumPodIPPool(spec=spec)


def _select(
    version: int = 4,
    *,
    owner: str = "shop/web-1",
    pod: dict[str, str] | None = None,
    namespace: dict[str, str] | None = None,
    pod_labels: dict[str, str] | None = None,
    namespace_labels: dict[str, str] | None = None,
    pools: dict[str, CiliumPodIPPool] | None = None,
    synced: bool = True,
) -> str:
    known = {"default": _pool(), "blue": _pool(), "red": _pool()} if pools is None else pools
    return select_pool(
        version,
        owner,
        pod=ObjectMeta(annotations=pod or {}, labels=pod_labels or {}),
        namespace=ObjectMeta(annotations=namespace or {}, labels=namespace_labels or {}),
        pools=known,
        synced=synced,
        default_pool="default",
        config_map="settings",
    )


@pytest.mark.parametrize("owner", ["router", "health", "/x", "x/"])
def test_owner_that_is_no_pod_gets_the_default_pool(owner: str) -> None:
    assert _select(owner=owner, pools={}, synced=False) == "default"


def test_pod_that_says_nothing_gets_the_default_pool() -> None:
    assert _select() == "default"


@pytest.mark.parametrize(("version", "expected"), [(4, "red"), (6, "blue")])
def test_annotation_of_the_family_comes_before_that_of_both(version: int, expected: str) -> None:
    annotations = {IP_POOL: "blue", "ipam.cilium.io/ipv4-pool": "red"}

    assert _select(version, pod=annotations) == expected


def test_annotation_of_the_pod_comes_before_that_of_its_namespace() -> None:
    """Even the one for both families before the namespace's own for this family."""
    said = _select(pod={IP_POOL: "red"}, namespace={"ipam.cilium.io/ipv4-pool": "blue"})

    assert said == "red"


def test_annotation_of_the_namespace_comes_before_selectors() -> None:
    pools = {"blue": _pool(), "any": _pool(pods=ANY)}

    assert _select(namespace={IP_POOL: "blue"}, pools=pools) == "blue"


def test_empty_annotation_says_nothing() -> None:
    assert _select(pod={IP_POOL: ""}, namespace={IP_POOL: "blue"}) == "blue"


def test_pod_selector_sees_labels_name_and_namespace() -> None:
    web = LabelSelector(match_labels={"app": "web", "io.kubernetes.pod.namespace": "shop"})
    one = LabelSelector(
        match_expressions=(LabelExpression("io.kubernetes.pod.name", "In", ("db-0",)),)
    )
    pools = {"default": _pool(), "web": _pool(pods=web), "one": _pool(pods=one)}

    assert _select(4, pod_labels={"app": "web"}, pools=pools) == "web"
    assert _select(4, owner="shop/db-0", pools=pools) == "one"
    assert _select(4, owner="other/x", pod_labels={"app": "web"}, pools=pools) == "default"


def test_pod_cannot_claim_another_namespace_by_a_label_of_its_own() -> None:
    only = LabelSelector(match_labels={"io.kubernetes.pod.namespace": "kube-system"})
    pools = {"default": _pool(), "system": _pool(pods=only)}

    said = _select(pod_labels={"io.kubernetes.pod.namespace": "kube-system"}, pools=pools)

    assert said == "default"


def test_both_selectors_of_a_pool_must_match() -> None:
    web = LabelSelector(match_labels={"app": "web"})
    team = LabelSelector(match_labels={"team": "a"})
    pools = {"default": _pool(), "a": _pool(pods=web, namespaces=team)}

    assert _select(pod_labels={"app": "web"}, namespace_labels={"team": "a"}, pools=pools) == "a"
    assert _select(pod_labels={"app": "web"}, pools=pools) == "default"
    assert _select(namespace_labels={"team": "a"}, pools=pools) == "default"


def test_pool_without_selectors_is_never_selected_and_an_empty_selector_matches_all() -> None:
    assert _select(pools={"default": _pool(), "all": _pool(namespaces=ANY)}) == "all"


def test_selectors_of_pools_without_the_family_are_not_asked() -> None:
    pools = {"default": _pool(), "four": _pool(pods=ANY, ipv6=None), "six": _pool(ipv4=None)}

    assert _select(4, pools=pools) == "four"
    assert _select(6, pools=pools) == "default"


def test_several_matching_pools_are_an_error_that_lists_them() -> None:
    pools = {"b": _pool(pods=ANY), "a": _pool(namespaces=ANY)}

    with pytest.raises(
        PoolAmbiguousError,
        match=r"^multiple CiliumPodIPPools match pod shop/web-1 \(family=ipv4\): \[a b\]: ",
    ):
        _select(pools=pools)


@pytest.mark.parametrize("where", ["pod", "namespace"])
def test_required_match_keeps_out_of_the_default_pool(where: str) -> None:
    pod = {REQUIRE: "true"} if where == "pod" else {}

    with pytest.raises(
        PoolRequiredError,
        match=r"^no matching CiliumPodIPPool found for pod shop/web-1 \(family=ipv6\) and"
        rf" require-pool-match annotation is set on {where}: ",
    ):
        _select(6, pod=pod, namespace={REQUIRE: "true"})


def test_required_match_is_met_by_an_annotation_and_by_a_selector() -> None:
    assert _select(pod={REQUIRE: "true", IP_POOL: "blue"}) == "blue"
    assert _select(pod={REQUIRE: "true"}, pools={"all": _pool(pods=ANY)}) == "all"
    assert _select(pod={REQUIRE: "false"}) == "default"


def test_unseen_pod_and_namespace_are_distinguished() -> None:
    with pytest.raises(ObjectUnknownError, match=r'^resource Pod "shop/web-1" not found'):
        _select_unseen(pod=None)
    with pytest.raises(ObjectUnknownError, match=r'^resource Namespace "shop" not found'):
        _select_unseen(pod=ObjectMeta())


def _select_unseen(*, pod: ObjectMeta | None) -> str:
    return select_pool(
        4,
        "shop/web-1",
        pod=pod,
        namespace=None,
        pools={},
        synced=True,
        default_pool="d",
        config_map="settings",
    )


def test_before_the_first_list_only_a_pool_that_is_known_is_chosen() -> None:
    text = "ipam-metadata-manager has not synced all pod IP pools yet"
    assert _select(pod={IP_POOL: "blue"}, synced=False) == "blue"
    with pytest.raises(PoolsNotSyncedError, match=text):
        _select(pod={IP_POOL: "green"}, synced=False)
    with pytest.raises(PoolsNotSyncedError, match=text):
        _select(synced=False)


def test_unknown_pool_is_named_with_pod_key_and_the_nearest() -> None:
    with pytest.raises(PoolUnknownError) as caught:
        _select(pod={IP_POOL: "bleu"})

    assert caught.value.pool == "bleu"
    assert str(caught.value) == (
        "pod shop/web-1: ipam.cilium.io/ip-pool of the pod is 'bleu', a CiliumPodIPPool that does"
        " not exist (yet); nearest: 'blue': create the pool or correct the name"
    )


def test_unknown_pool_of_a_namespace_says_so() -> None:
    with pytest.raises(PoolUnknownError, match=r"^pod shop/web-1: .* of namespace shop is 'x', a"):
        _select(namespace={IP_POOL: "x"})


def test_missing_default_pool_names_its_key_and_the_installations_config_map() -> None:
    with pytest.raises(PoolUnknownError, match="ipam-default-ip-pool of settings is 'default'"):
        _select(pools={"other": _pool()})


def test_pool_without_the_family_names_the_annotation_that_helps() -> None:
    with pytest.raises(PoolFamilyError, match=r"without IPv6 CIDRs: .*ipam\.cilium\.io/ipv6-pool"):
        _select(6, pod={IP_POOL: "four"}, pools={"four": _pool(ipv6=None)})


@pytest.mark.parametrize(
    "value", ["Blue", " blue", "blue\n", "-blue", "blue..x", "bl\x00ue", "\u202eblue", "../../x"]
)
def test_value_that_is_no_name_is_refused_in_one_line(value: str) -> None:
    with pytest.raises(PoolNameError) as caught:
        _select(pod={IP_POOL: value})

    assert str(caught.value).isprintable()
    assert repr(value) in str(caught.value)
    assert "ipam.cilium.io/ip-pool" in str(caught.value)


def test_five_thousand_characters_are_shortened() -> None:
    with pytest.raises(PoolNameError) as caught:
        _select(pod={IP_POOL: "blue" * 1250})

    message = str(caught.value)
    assert len(message) < 400
    assert "(5000 characters)" in message
    assert repr("blue" * 16) in message


@given(st.text(min_size=1, max_size=6000), st.sampled_from([4, 6]))
def test_any_annotation_is_a_pool_or_one_short_line(value: str, version: int) -> None:
    try:
        assert _select(version, pod={IP_POOL: value}) == value
    except PoolSelectionError as error:
        message = str(error)
        assert len(message) < 1100
        assert message.replace("…", "").isprintable()


def test_refusal_of_a_name_says_where_it_stands_and_what_may_be_meant() -> None:
    with pytest.raises(PoolNameError) as wrong:
        _select(pod={IP_POOL: "Blue"})
    with pytest.raises(PoolUnknownError) as unknown:
        _select(namespace={IP_POOL: "blu"}, pools={"blue": _pool(), "blub": _pool()})

    assert (wrong.value.owner, wrong.value.where) == ("shop/web-1", "the pod")
    assert (wrong.value.key, wrong.value.value) == (IP_POOL, "Blue")
    assert wrong.value.nearest == "blue"
    assert (unknown.value.owner, unknown.value.where) == ("shop/web-1", "namespace shop")
    assert (unknown.value.pool, unknown.value.nearest) == ("blu", "blue")


@pytest.mark.parametrize("annotations", [{}, {IP_POOL: "blue"}])
def test_pod_that_meets_pools_not_listed_yet_is_named(annotations: dict[str, str]) -> None:
    with pytest.raises(PoolsNotSyncedError) as caught:
        _select(pod=annotations, pools={}, synced=False)

    assert caught.value.owner == "shop/web-1"


def test_pod_of_a_name_with_a_slash_is_no_other_namespaces() -> None:
    only = LabelSelector(match_labels={"io.kubernetes.pod.namespace": "shop"})

    assert (
        _select(owner="shop/a/b", pools={"default": _pool(), "shop": _pool(pods=only)}) == "shop"
    )

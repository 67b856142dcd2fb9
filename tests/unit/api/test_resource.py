import pytest

from ciliate.api.cilium_endpoint import CILIUM_ENDPOINTS
from ciliate.api.cilium_node import CILIUM_NODES
from ciliate.api.core import NODES, PODS
from ciliate.api.metadata import PartialObject


def test_core_kinds_live_under_api_and_the_others_under_apis() -> None:
    assert NODES.path(name="k8s-w1") == "/api/v1/nodes/k8s-w1"
    assert CILIUM_NODES.path() == "/apis/cilium.io/v2/ciliumnodes"
    assert (NODES.api_version, CILIUM_NODES.api_version) == ("v1", "cilium.io/v2")


def test_a_namespace_scopes_a_collection() -> None:
    assert CILIUM_ENDPOINTS.path(namespace="shop", name="web") == (
        "/apis/cilium.io/v2/namespaces/shop/ciliumendpoints/web"
    )
    assert PODS.path() == "/api/v1/pods"


def test_a_subresource_follows_the_name() -> None:
    assert NODES.path(name="k8s-w1", subresource="status") == "/api/v1/nodes/k8s-w1/status"


def test_a_name_stays_one_segment_of_the_path() -> None:
    assert NODES.path(name="../secrets") == "/api/v1/nodes/..%2Fsecrets"


def test_a_namespace_for_a_cluster_wide_kind_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="cluster-wide"):
        NODES.path(namespace="shop")


def test_a_narrowed_resource_is_the_same_place_in_another_struct() -> None:
    narrowed = PODS.narrowed(PartialObject)

    assert narrowed.struct is PartialObject
    assert narrowed.path(namespace="a", name="b") == PODS.path(namespace="a", name="b")

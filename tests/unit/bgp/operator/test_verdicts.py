"""What configurations say of themselves, by Cilium's conditions."""

from ciliate.api.bgp import (
    BGPInstance,
    BGPPeer,
    CiliumBGPClusterConfig,
    CiliumBGPPeerConfig,
    ClusterConfigSpec,
    PeerConfigReference,
    PeerConfigSpec,
)
from ciliate.api.conditions import Verdict, shown_conditions
from ciliate.api.metadata import Condition, ObjectMeta
from ciliate.bgp.operator.plan import ClusterPlan
from ciliate.bgp.operator.verdicts import (
    CLUSTER_KINDS,
    cluster_verdict,
    peer_verdict,
)

PEER = BGPPeer(name="r", peer_config_ref=PeerConfigReference("router"))
CONFIG = CiliumBGPClusterConfig(
    ObjectMeta(name="one", generation=2),
    ClusterConfigSpec(None, (BGPInstance(name="main", peers=(PEER,)),)),
)


def statuses(found: Verdict) -> dict[str, str]:
    return {kind.removeprefix("cilium.io/"): status for kind, status, *_rest in found.conditions}


def test_all_is_well() -> None:
    found = cluster_verdict(CONFIG, ClusterPlan(selected={"one": 3}), {"router"})

    assert set(statuses(found).values()) == {"False"}
    assert found.generation == 2


def test_nobody_selected_nothing_there_and_somebody_in_the_way() -> None:
    found = cluster_verdict(
        CONFIG, ClusterPlan(selected={"one": 0}, conflicts={"one": ("elder",)}), set()
    )

    assert statuses(found) == {
        "NoMatchingNode": "True",
        "MissingPeerConfigs": "True",
        "ConflictingClusterConfig": "True",
    }
    messages = [each[3] for each in found.conditions]
    assert messages[1].endswith("are missing: [router]")
    assert messages[2].endswith("[elder]")


def test_a_secret_that_is_missing_is_named() -> None:
    config = CiliumBGPPeerConfig(ObjectMeta(name="r"), PeerConfigSpec(auth_secret_ref="s"))

    assert peer_verdict(config, {"s"}).conditions[0][1] == "False"
    (_kind, status, reason, message) = peer_verdict(config, set()).conditions[0]
    assert (status, reason) == ("True", "MissingAuthSecret")
    assert '"s"' in message


def test_a_status_that_says_not_all_says_nothing() -> None:
    found = cluster_verdict(CONFIG, ClusterPlan(), ())
    shown = [
        Condition(type=kind, status=status, reason=reason, message=message, observed_generation=2)
        for kind, status, reason, message in found.conditions
    ]

    assert shown_conditions(shown, CLUSTER_KINDS) == found
    assert shown_conditions(shown[:2], CLUSTER_KINDS) is None

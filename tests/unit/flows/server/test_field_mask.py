"""`flows/server/field_mask.py`: a mask names fields of a flow, to any depth, or is refused."""

import pytest
from google.protobuf.json_format import MessageToDict

from ciliate.flows.pb.flow import flow_pb2
from ciliate.flows.printed_fields import ASKED_BY_HUBBLE
from ciliate.flows.server.errors import FieldMaskError
from ciliate.flows.server.field_mask import PATHS_MAX, keep, mask_tree


def flow() -> flow_pb2.Flow:
    return flow_pb2.Flow(
        uuid="u",
        source=flow_pb2.Endpoint(
            ID=7,
            pod_name="web-0",
            labels=["k8s:app=web"],
            workloads=[flow_pb2.Workload(kind="Deployment", name="web")],
        ),
        l4=flow_pb2.Layer4(TCP=flow_pb2.TCP(source_port=1, flags=flow_pb2.TCPFlags(SYN=True))),
    )


def kept(*paths: str) -> object:
    tree = mask_tree(paths)
    assert tree is not None
    message = flow()
    keep(message, tree)
    return MessageToDict(message, preserving_proto_field_name=True)


def test_no_path_means_all() -> None:
    assert mask_tree(()) is None


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (("uuid",), {"uuid": "u"}),
        (("source.pod_name", "source.ID"), {"source": {"ID": 7, "pod_name": "web-0"}}),
        (("source.labels",), {"source": {"labels": ["k8s:app=web"]}}),
        (("l4.TCP.flags.SYN",), {"l4": {"TCP": {"flags": {"SYN": True}}}}),
        (("l4.UDP",), {"l4": {}}),
        (("destination",), {}),
        (("l7.http.code",), {}),
    ],
)
def test_what_paths_name_is_kept_and_nothing_else(
    paths: tuple[str, ...], expected: object
) -> None:
    assert kept(*paths) == expected


@pytest.mark.parametrize("paths", [("l4", "l4.TCP.source_port"), ("l4.TCP.source_port", "l4")])
def test_whole_field_is_kept_whole_whatever_else_is_named_of_it(paths: tuple[str, ...]) -> None:
    assert kept(*paths) == {"l4": {"TCP": {"source_port": 1, "flags": {"SYN": True}}}}


@pytest.mark.parametrize(
    "path",
    [
        "",
        ".",
        "colour",
        "source.colour",
        "source.",
        "ip",
        "uuid.x",
        "source.labels.x",
        "source.workloads.name",
    ],
)
def test_path_that_names_nothing_is_refused_by_its_text(path: str) -> None:
    with pytest.raises(FieldMaskError) as refused:
        mask_tree(["uuid", path])

    assert refused.value.path == path
    assert str(refused.value).startswith(f'invalid field mask: path "{path}" ')


def test_more_paths_than_flows_have_fields_are_refused() -> None:
    assert mask_tree(["uuid"] * PATHS_MAX) == {"uuid": None}
    with pytest.raises(FieldMaskError, match="one more than the 1000"):
        mask_tree(["uuid"] * (PATHS_MAX + 1))


def test_who_asks_as_hubbles_command_does_gets_what_it_prints() -> None:
    tree = mask_tree(ASKED_BY_HUBBLE)

    assert tree is not None
    assert {"sock_xlate_point", "policy_match_type", "traffic_direction"} <= tree.keys()


def test_any_other_mask_is_kept_to() -> None:
    assert mask_tree([*ASKED_BY_HUBBLE, "uuid"]) == {
        **{path: None for path in ASKED_BY_HUBBLE if "." not in path},
        "source": {"identity": None, "namespace": None, "pod_name": None},
        "destination": {"identity": None, "namespace": None, "pod_name": None},
        "uuid": None,
    }

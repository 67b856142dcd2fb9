"""Partial decode: what an object claims, out of a document that its Struct refuses. Pure.

The API server takes numbers that we do not: 5.0 and 1e3 are integers to it, and of any size.
A user's edit with such a number must not cost the node its CIDRs: what is claimed is read field by
field, and every field that cannot be read counts as empty.
"""

import contextlib
from typing import Any, TypeVar

import msgspec

from ciliate.api.cilium_endpoint import AddressPair, EndpointNetworking
from ciliate.api.cilium_node import (
    AllocatedPool,
    CiliumNode,
    CiliumNodeAddress,
    CiliumNodeSpec,
    CiliumNodeStatus,
    IPAMPools,
    NodeIPAM,
    NodeIPAMStatus,
    OperatorStatus,
)
from ciliate.api.metadata import PartialObject
from ciliate.cluster.views import (
    EndpointPresence,
    EndpointUse,
    IdentityNumber,
    UnreadableNode,
)

T = TypeVar("T")


def partial_node(document: bytes) -> CiliumNode:
    """Return a CiliumNode with the CIDRs and addresses that `document` names, and its problem.

    Raises:
        MsgspecError: Not even its metadata can be read.
    """
    whole = msgspec.json.decode(document)
    problem = ""
    try:
        msgspec.json.decode(document, type=CiliumNode)
    except msgspec.MsgspecError as error:
        problem = str(error)
    ipam = _at(whole, "spec", "ipam")
    allocated = (
        AllocatedPool(pool=_as(str, _at(entry, "pool"), ""), cidrs=_each(str, _at(entry, "cidrs")))
        for entry in _each(dict, _at(ipam, "pools", "allocated"))
    )
    shown = _as(str, _at(whole, "status", "ipam", "operator-status", "error"), "")
    return UnreadableNode(
        metadata=msgspec.json.decode(document, type=PartialObject).metadata,
        spec=CiliumNodeSpec(
            addresses=_each(CiliumNodeAddress, _at(whole, "spec", "addresses")),
            ipam=NodeIPAM(
                pod_cidrs=_each(str, _at(ipam, "podCIDRs")),
                pools=IPAMPools(allocated=tuple(allocated)),
            ),
        ),
        status=CiliumNodeStatus(
            ipam=NodeIPAMStatus(operator_status=OperatorStatus(error=shown)),
        ),
        problem=problem,
    )


def partial_endpoint(document: bytes) -> EndpointPresence:
    """Return the endpoint with the identity and addresses that `document` names.

    Raises:
        MsgspecError: Not even its metadata can be read.
    """
    status = _at(msgspec.json.decode(document), "status")
    networking = _at(status, "networking")
    number = _as(float, _at(status, "identity", "id"), 0.0)
    return EndpointPresence(
        metadata=msgspec.json.decode(document, type=PartialObject).metadata,
        status=EndpointUse(
            identity=IdentityNumber(int(number)) if number.is_integer() and number else None,
            networking=EndpointNetworking(
                addressing=_each(AddressPair, _at(networking, "addressing")),
                node=_as(str, _at(networking, "node"), ""),
            ),
        ),
    )


def _at(value: Any, *path: str) -> Any:
    """Return what stands at `path`, None when there is no such place."""
    for word in path:
        value = value.get(word) if isinstance(value, dict) else None
    return value


def _as(kind: type[T], value: Any, otherwise: T) -> T:
    try:
        return msgspec.convert(value, type=kind)
    except msgspec.ValidationError:
        return otherwise


def _each(kind: type[T], values: Any) -> tuple[T, ...]:
    """Return the elements of a list that are of `kind`, without the others."""
    found = []
    for value in values if isinstance(values, list) else ():
        with contextlib.suppress(msgspec.ValidationError):
            found.append(msgspec.convert(value, type=kind))
    return tuple(found)

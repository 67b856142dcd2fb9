"""CNI requests: from environment and stdin to one typed value per verb. Pure.

Sources: CNI specification 1.1.0, sections 1 to 3; CONVENTIONS.md for CNI_ARGS; containerd and
CRI-O pass the pod there as K8S_POD_NAMESPACE, K8S_POD_NAME, K8S_POD_UID.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from ciliate.cni import environment as variables
from ciliate.cni.call import Call, ipam_type, is_chained
from ciliate.cni.errors import CniCode, CniError
from ciliate.cni.result_shape import with_list
from ciliate.cni.version import (
    NEWEST_VERSION,
    SUPPORTED_VERSIONS,
    WITHOUT_CHECK,
    CniVersion,
    known_version,
)


class Verb(StrEnum):
    """CNI_COMMAND."""

    ADD = "ADD"
    DEL = "DEL"
    CHECK = "CHECK"
    GC = "GC"
    STATUS = "STATUS"
    VERSION = "VERSION"


@dataclass(frozen=True, slots=True)
class PodReference:
    """The pod an attachment is for; `uid` is empty where the runtime does not say."""

    namespace: str
    name: str
    uid: str = ""


@dataclass(frozen=True, slots=True)
class Attachment:
    """The key of all our state: one interface of one container."""

    container_id: str
    ifname: str


@dataclass(frozen=True, slots=True)
class PreviousResult:
    """What ADD answered, as the runtime repeats it: interface names and addresses with prefix."""

    interfaces: tuple[str, ...]
    addresses: tuple[str, ...]
    document: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Add:
    """Give the container an interface. `netns` is the path of its namespace.

    `prev_result` is there when another plugin made the interface already, and ours is chained.
    """

    version: CniVersion
    network: str
    attachment: Attachment
    netns: str
    pod: PodReference
    prev_result: PreviousResult | None = None
    call: Call = field(default_factory=Call, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Check:
    """Is the interface as ADD left it?"""

    version: CniVersion
    network: str
    attachment: Attachment
    netns: str
    pod: PodReference
    prev_result: PreviousResult | None
    call: Call = field(default_factory=Call, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Del:
    """Take the interface away. `netns` None: it is gone. `pod` None: the runtime does not say."""

    version: CniVersion
    network: str
    attachment: Attachment
    netns: str | None
    pod: PodReference | None
    call: Call = field(default_factory=Call, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Gc:
    """Remove every attachment of the network that is not in `valid`."""

    version: CniVersion
    network: str
    valid: frozenset[Attachment]
    call: Call = field(default_factory=Call, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Status:
    """Could an ADD succeed now?"""

    version: CniVersion
    network: str
    call: Call = field(default_factory=Call, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class VersionQuery:
    """Which versions do we speak? The plugin answers by itself; others may ask too."""

    version: CniVersion


Request = Add | Check | Del | Gc | Status | VersionQuery


@dataclass(frozen=True, slots=True)
class _Source:
    """What a request is parsed from."""

    environment: Mapping[str, str]
    config: Mapping[str, Any]
    version: CniVersion
    network: str
    call: Call
    chaining_mode: str


def parse_request(
    environment: Mapping[str, str], stdin: bytes, *, chaining_mode: str = "none"
) -> Request:
    """Return the request, complete and valid; `chaining_mode` is the agent's setting.

    Raises:
        CniError: 1 unknown version, 4 a variable, 6 stdin is not JSON, 7 the configuration.
    """
    try:
        verb = Verb(environment.get("CNI_COMMAND", ""))
    except ValueError as error:
        known = ", ".join(Verb)
        raise CniError(
            CniCode.INVALID_ENVIRONMENT, f"CNI_COMMAND is not one of {known}"
        ) from error
    config = _decode(stdin)
    if verb is Verb.DEL:
        return _parse_del(environment, stdin, config)
    version = _version(config, verb)
    if verb is Verb.VERSION:
        return VersionQuery(version)
    call = Call(environment, stdin, ipam_type(config))
    source = _Source(environment, config, version, _network(config), call, chaining_mode)
    return _PARSERS[verb](source)


def requested_version(stdin: bytes) -> CniVersion:
    """Return the version to answer an error in: the one asked for if we speak it."""
    try:
        asked = _decode(stdin).get("cniVersion")
    except CniError:
        return NEWEST_VERSION
    return known_version(asked) or NEWEST_VERSION


def _decode(stdin: bytes) -> dict[str, Any]:
    try:
        config = json.loads(stdin)
    except (ValueError, RecursionError) as error:
        # What stdin holds is not repeated: it may carry secrets of other plugins.
        raise CniError(
            CniCode.DECODE_FAILURE,
            f"network configuration of {len(stdin)} bytes is not JSON",
        ) from error
    if not isinstance(config, dict):
        raise CniError(CniCode.DECODE_FAILURE, "network configuration is not a JSON object")
    return config


def _version(config: Mapping[str, Any], verb: Verb) -> CniVersion:
    asked = config.get("cniVersion")
    version = known_version(asked)
    if version is None:
        if verb is Verb.VERSION:
            return NEWEST_VERSION
        is_like_one = isinstance(asked, str) and set(asked) <= set("0123456789.")
        raise CniError(
            CniCode.INCOMPATIBLE_VERSION,
            f'cniVersion "{str(asked)[:16] if is_like_one else "?"}" is not supported',
            f"supported: {', '.join(SUPPORTED_VERSIONS)}",
        )
    if verb in (Verb.GC, Verb.STATUS) and version != NEWEST_VERSION:
        raise CniError(
            CniCode.INCOMPATIBLE_VERSION, f"{verb} needs cniVersion 1.1.0, not {version}"
        )
    if verb is Verb.CHECK and version in WITHOUT_CHECK:
        raise CniError(CniCode.INCOMPATIBLE_VERSION, "CHECK needs cniVersion 0.4.0 or later")
    return version


def _network(config: Mapping[str, Any]) -> str:
    name = config.get("name")
    if not isinstance(name, str) or not variables.IDENTIFIER.fullmatch(name):
        raise CniError(CniCode.INVALID_CONFIG, "network configuration has no valid name")
    return name


def _attachment(environment: Mapping[str, str]) -> Attachment:
    return Attachment(variables.container_id(environment), variables.ifname(environment))


def _pod(environment: Mapping[str, str]) -> PodReference:
    return PodReference(*variables.pod(environment))


def _parse_add(source: _Source) -> Add:
    previous = _previous_result(source.config)
    chained = is_chained(source.config, source.chaining_mode)
    if previous is not None and not chained:
        raise CniError(
            CniCode.INVALID_CONFIG,
            "CNI PrevResult supplied, but not in chaining mode -- this is invalid,"
            " please set chaining-mode in CNI configuration",
            "or put ciliate-cni first in the configuration list",
        )
    if chained and previous is None:
        raise CniError(
            CniCode.INVALID_CONFIG,
            "chaining-mode is set, but there is no prevResult",
            "put ciliate-cni behind the plugin that makes the interface",
        )
    return Add(
        source.version,
        source.network,
        _attachment(source.environment),
        variables.netns(source.environment),
        _pod(source.environment),
        previous,
        source.call,
    )


def _parse_check(source: _Source) -> Check:
    return Check(
        source.version,
        source.network,
        _attachment(source.environment),
        variables.netns(source.environment),
        _pod(source.environment),
        _previous_result(source.config),
        source.call,
    )


def _parse_del(environment: Mapping[str, str], stdin: bytes, config: Mapping[str, Any]) -> Del:
    """Ask for no more than a deletion needs, which is the attachment.

    The rest may be lost, damaged or of another time; a DEL that fails is repeated for ever, and
    the sandbox and the pod's name stay with it.
    """
    attachment = _attachment(environment)
    try:
        pod = _pod(environment)
    except CniError:
        pod = None
    try:
        network = _network(config)
    except CniError:
        network = ""
    try:
        plugin = ipam_type(config)
    except CniError:
        plugin = ""  # No ADD with this configuration was ever answered.
    version = known_version(config.get("cniVersion")) or NEWEST_VERSION
    netns = environment.get("CNI_NETNS") or None
    return Del(version, network, attachment, netns, pod, Call(environment, stdin, plugin))


def _parse_gc(source: _Source) -> Gc:
    # Without the list nothing is known to be garbage; an empty one means: all of it.
    listed = source.config.get("cni.dev/valid-attachments")
    if not isinstance(listed, list):
        raise CniError(CniCode.INVALID_CONFIG, "GC lacks cni.dev/valid-attachments")
    valid: set[Attachment] = set()
    for each in listed:
        match each:
            case {"containerID": str(container_id), "ifname": str(ifname)}:
                valid.add(Attachment(container_id, ifname))
            case _:
                message = "cni.dev/valid-attachments has an entry without containerID or ifname"
                raise CniError(CniCode.INVALID_CONFIG, message)
    return Gc(source.version, source.network, frozenset(valid), source.call)


def _parse_status(source: _Source) -> Status:
    return Status(source.version, source.network, source.call)


def _previous_result(config: Mapping[str, Any]) -> PreviousResult | None:
    previous = config.get("prevResult")
    if previous is None:
        return None
    try:
        listed = with_list(previous)
        return PreviousResult(
            interfaces=tuple(str(each["name"]) for each in listed.get("interfaces") or ()),
            addresses=tuple(str(each["address"]) for each in listed.get("ips") or ()),
            document=previous,
        )
    except (AttributeError, KeyError, TypeError) as error:
        raise CniError(CniCode.INVALID_CONFIG, "prevResult is not an ADD result") from error


_PARSERS: Final[Mapping[Verb, Callable[[_Source], Request]]] = {
    Verb.ADD: _parse_add,
    Verb.CHECK: _parse_check,
    Verb.GC: _parse_gc,
    Verb.STATUS: _parse_status,
}

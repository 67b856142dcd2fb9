"""The CNI_* variables of a request, checked (CNI 1.1.0, section 2, "Parameters"). Pure.

What passes here can be written to a file, sent to the API server and given to the kernel as it is:
octets that are not UTF-8, control characters and names that are no names end here, as the
failure of this one request.
"""

import re
from collections.abc import Mapping
from typing import Final

from ciliate.cni.errors import CniCode, CniError

#: Of a container id, and of a network's name.
IDENTIFIER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,199}")

_FORBIDDEN_IN_IFNAME: Final = re.compile(r"[\s/:\x00-\x1f\x7f]")
_IFNAME_BYTES_MAX: Final = 15
#: Linux, PATH_MAX, less the final NUL.
_PATH_BYTES_MAX: Final = 4095

#: RFC 1123, section 2.1, as Kubernetes has it: a namespace is a label, a pod's name a subdomain.
_LABEL: Final = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_NAMESPACE: Final = re.compile(_LABEL)
_NAMESPACE_MAX: Final = 63
_POD_NAME: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_POD_NAME_MAX: Final = 253
#: A UUID, or the hash that a kubelet gives to a static pod.
_UID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,127}")

#: CNI_ARGS we know; another one is an error unless IgnoreUnknown says otherwise.
_KNOWN_ARGS: Final = frozenset(
    {
        "IgnoreUnknown",
        "K8S_POD_NAMESPACE",
        "K8S_POD_NAME",
        "K8S_POD_UID",
        "K8S_POD_INFRA_CONTAINER_ID",
    }
)
_TRUE: Final = frozenset({"1", "true", "yes", "on", "t"})
_SHOWN_MAX: Final = 64


def container_id(environment: Mapping[str, str]) -> str:
    """Return CNI_CONTAINERID."""
    found = environment.get("CNI_CONTAINERID", "")
    if not IDENTIFIER.fullmatch(found):
        raise _invalid("CNI_CONTAINERID is missing or not a container id", _about(found))
    return found


def ifname(environment: Mapping[str, str]) -> str:
    """Return CNI_IFNAME."""
    found = environment.get("CNI_IFNAME", "")
    octets = found.encode(errors="surrogateescape")
    is_bad = not _is_utf8(found) or _FORBIDDEN_IN_IFNAME.search(found) is not None
    if is_bad or len(octets) > _IFNAME_BYTES_MAX or found in ("", ".", ".."):
        raise _invalid(
            "CNI_IFNAME is missing or not an interface name",
            f"1 to {_IFNAME_BYTES_MAX} bytes of UTF-8 without '/', ':' and white space",
        )
    return found


def netns(environment: Mapping[str, str]) -> str:
    """Return CNI_NETNS, an absolute path; whether a namespace is there is the kernel's to say."""
    found = environment.get("CNI_NETNS", "")
    if not found.startswith("/"):
        raise _invalid("CNI_NETNS is missing or not an absolute path", _about(found))
    too_long = len(found.encode(errors="surrogateescape")) > _PATH_BYTES_MAX
    if too_long or not found.isprintable():
        raise _invalid(
            "CNI_NETNS is not the path of a namespace",
            f"at most {_PATH_BYTES_MAX} bytes of UTF-8 without control characters",
        )
    return found


def pod(environment: Mapping[str, str]) -> tuple[str, str, str]:
    """Return namespace, name and uid of the pod out of CNI_ARGS; the uid may be empty."""
    arguments = _arguments(environment)
    namespace = arguments.get("K8S_POD_NAMESPACE", "")
    name = arguments.get("K8S_POD_NAME", "")
    uid = arguments.get("K8S_POD_UID", "")
    if not namespace or not name:
        raise _invalid(
            "CNI_ARGS has no K8S_POD_NAMESPACE or no K8S_POD_NAME",
            "Ciliate gives interfaces to Kubernetes pods only",
        )
    if len(namespace) > _NAMESPACE_MAX or not _NAMESPACE.fullmatch(namespace):
        raise _invalid(
            "K8S_POD_NAMESPACE in CNI_ARGS is no namespace's name",
            f"{_about(namespace)} is no label of at most {_NAMESPACE_MAX} characters (RFC 1123)",
        )
    if len(name) > _POD_NAME_MAX or not _POD_NAME.fullmatch(name):
        raise _invalid(
            "K8S_POD_NAME in CNI_ARGS is no pod's name",
            f"{_about(name)} is no subdomain of at most {_POD_NAME_MAX} characters (RFC 1123)",
        )
    if uid and not _UID.fullmatch(uid):
        raise _invalid("K8S_POD_UID in CNI_ARGS is no uid", _about(uid))
    return namespace, name, uid


def _arguments(environment: Mapping[str, str]) -> dict[str, str]:
    """Return CNI_ARGS as pairs; an unknown one without IgnoreUnknown raises CniError."""
    text = environment.get("CNI_ARGS", "")
    arguments: dict[str, str] = {}
    for pair in filter(None, text.split(";")):
        key, equals, value = pair.partition("=")
        if not equals:
            raise _invalid("CNI_ARGS is not a list of KEY=VALUE")
        arguments[key] = value
    unknown = sorted(arguments.keys() - _KNOWN_ARGS)
    if unknown and arguments.get("IgnoreUnknown", "").lower() not in _TRUE:
        raise _invalid(
            f"CNI_ARGS has unknown arguments: {_about(', '.join(unknown))}",
            "IgnoreUnknown=1 permits them",
        )
    return arguments


def _invalid(message: str, details: str = "") -> CniError:
    return CniError(CniCode.INVALID_ENVIRONMENT, message, details)


def _is_utf8(text: str) -> bool:
    """Whether a variable was UTF-8: other octets are surrogates (`frame.parse_environment`)."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _about(text: str) -> str:
    """Return the beginning of a value for an error, in ASCII and on one line."""
    return ascii(text[:_SHOWN_MAX])[1:-1] + ("..." if len(text) > _SHOWN_MAX else "")

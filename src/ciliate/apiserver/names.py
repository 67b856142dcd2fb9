"""Which names, labels and annotations objects may have, in kube-apiserver's words.

Sources: RFC 1123 (labels and subdomains), RFC 1035 (Services), k8s.io/apimachinery's
`util/validation`, whose messages these are.
"""

import random
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from ciliate.apiserver.errors import Cause

_LABEL: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_LABEL_1035: Final = "[a-z]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN: Final = rf"{_LABEL}(\.{_LABEL})*"
_QUALIFIED: Final = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE: Final = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"

_label_re: Final = re.compile(_LABEL)
_label_1035_re: Final = re.compile(_LABEL_1035)
_subdomain_re: Final = re.compile(_SUBDOMAIN)
_qualified_re: Final = re.compile(_QUALIFIED)
_value_re: Final = re.compile(_VALUE)

#: Random suffixes leave out vowels and what looks alike, as Kubernetes' do.
_SUFFIX_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"
_SUFFIX_LENGTH: Final = 5
_GENERATED_PREFIX_MAX: Final = 63 - _SUFFIX_LENGTH
_ANNOTATIONS_BYTES_MAX: Final = 256 * 1024

NameCheck = Callable[[str], list[str]]


def generate_name(prefix: str) -> str:
    """Return a name for `generateName`: the prefix and five random characters."""
    # No secret: five system calls for one would be a fifth of what a pod's creation costs.
    suffix = "".join(random.choices(_SUFFIX_ALPHABET, k=_SUFFIX_LENGTH))
    return prefix[:_GENERATED_PREFIX_MAX] + suffix


def subdomain_problems(name: str) -> list[str]:
    """Why `name` is no RFC 1123 subdomain; the rule for most kinds."""
    problems = [] if len(name) <= 253 else ["must be no more than 253 characters"]
    if not _subdomain_re.fullmatch(name):
        problems.append(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, "
            "'-' or '.', and must start and end with an alphanumeric character (e.g. "
            f"'example.com', regex used for validation is '{_LABEL}"
            rf"(\.{_LABEL})*')"
        )
    return problems


def label_problems(name: str) -> list[str]:
    """Why `name` is no RFC 1123 label: namespaces."""
    problems = [] if len(name) <= 63 else ["must be no more than 63 characters"]
    if _label_re.fullmatch(name):
        return problems
    if _subdomain_re.fullmatch(name):
        problems.append("must not contain dots")
    else:
        problems.append(
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or "
            "'-', and must start and end with an alphanumeric character (e.g. 'my-name',  or "
            f"'123-abc', regex used for validation is '{_LABEL}')"
        )
    return problems


def label_1035_problems(name: str) -> list[str]:
    """Why `name` is no RFC 1035 label: Services."""
    problems = [] if len(name) <= 63 else ["must be no more than 63 characters"]
    if not _label_1035_re.fullmatch(name):
        problems.append(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start "
            "with an alphabetic character, and end with an alphanumeric character (e.g. "
            f"'my-name',  or 'abc-123', regex used for validation is '{_LABEL_1035}')"
        )
    return problems


def path_segment_problems(name: str) -> list[str]:
    """Why `name` cannot be a part of a path: roles, whose names have colons."""
    if name in {".", ".."}:
        return [f"may not be '{name}'"]
    return [f"may not contain '{character}'" for character in "/%" if character in name]


def qualified_name_problems(name: str) -> list[str]:
    """Why `name` is no qualified name: `prefix/name` or `name`, as of labels and finalizers."""
    prefix, slash, rest = name.rpartition("/")
    problems = []
    if slash:
        if not prefix:
            problems.append("prefix part must be non-empty")
        else:
            problems += [f"prefix part {p}" for p in subdomain_problems(prefix)]
    if not rest:
        problems.append("name part must be non-empty")
    elif len(rest) > 63:
        problems.append("name part must be no more than 63 characters")
    if not _qualified_re.fullmatch(rest):
        problems.append(
            "name part must consist of alphanumeric characters, '-', '_' or '.', and must start "
            "and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or "
            f"'123-abc', regex used for validation is '{_QUALIFIED}')"
        )
    return problems


def label_value_problems(value: str) -> list[str]:
    """Why `value` cannot be a label's value."""
    problems = [] if len(value) <= 63 else ["must be no more than 63 characters"]
    if not _value_re.fullmatch(value):
        problems.append(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', "
            "'_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue', "
            f" or 'my_value',  or '12345', regex used for validation is '{_VALUE}')"
        )
    return problems


def invalid_value(field: str, value: Any, problem: str) -> Cause:
    """Return the cause for a field whose value breaks a rule."""
    shown = f'"{value}"' if isinstance(value, str) else str(value)
    return Cause(field, "FieldValueInvalid", f"Invalid value: {shown}: {problem}")


def required_value(field: str, problem: str = "") -> Cause:
    """Return the cause for a field that must be set."""
    message = f"Required value: {problem}" if problem else "Required value"
    return Cause(field, "FieldValueRequired", message)


def metadata_causes(
    metadata: Mapping[str, Any], *, name_problems: NameCheck, prefix: str = "metadata"
) -> list[Cause]:
    """Return what is wrong with an object's metadata."""
    causes = [
        invalid_value(f"{prefix}.name", metadata["name"], problem)
        for problem in name_problems(metadata["name"])
    ]
    causes += label_causes(metadata.get("labels") or {}, f"{prefix}.labels")
    causes += _annotation_causes(metadata.get("annotations") or {}, f"{prefix}.annotations")
    for finalizer in metadata.get("finalizers") or ():
        causes += [
            invalid_value(f"{prefix}.finalizers", finalizer, problem)
            for problem in qualified_name_problems(str(finalizer))
        ]
    return causes + _owner_causes(metadata.get("ownerReferences") or (), prefix)


def finalizer_causes(new: Mapping[str, Any], old: Mapping[str, Any]) -> list[Cause]:
    """Return what is wrong with a change of the finalizers: a deletion gets no new ones."""
    added = sorted(set(new.get("finalizers") or ()) - set(old.get("finalizers") or ()))
    if not added or not old.get("deletionTimestamp"):
        return []
    listed = ", ".join(f'"{name}"' for name in added)
    problem = (
        "Forbidden: no new finalizers can be added if the object is being deleted, found new "
        f"finalizers []string{{{listed}}}"
    )
    return [Cause("metadata.finalizers", "FieldValueForbidden", problem)]


def label_causes(labels: Any, field: str) -> list[Cause]:
    """Return what is wrong with a map of labels."""
    if not isinstance(labels, dict):
        return [invalid_value(field, labels, "must be a map of strings")]
    causes = []
    for key, value in labels.items():
        causes += [invalid_value(field, key, p) for p in qualified_name_problems(key)]
        if isinstance(value, str):
            causes += [invalid_value(field, value, p) for p in label_value_problems(value)]
        else:
            causes.append(invalid_value(f"{field}.{key}", value, "must be a string"))
    return causes


def _annotation_causes(annotations: Any, field: str) -> list[Cause]:
    if not isinstance(annotations, dict):
        return [invalid_value(field, annotations, "must be a map of strings")]
    causes, size_bytes = [], 0
    for key, value in annotations.items():
        causes += [invalid_value(field, key, p) for p in qualified_name_problems(key.lower())]
        if not isinstance(value, str):
            causes.append(invalid_value(f"{field}.{key}", value, "must be a string"))
            continue
        size_bytes += len(key) + len(value)
    if size_bytes > _ANNOTATIONS_BYTES_MAX:
        message = f"Too long: may not be more than {_ANNOTATIONS_BYTES_MAX} bytes"
        causes.append(Cause(field, "FieldValueTooLong", message))
    return causes


def _owner_causes(owners: Any, prefix: str) -> list[Cause]:
    causes = []
    for index, owner in enumerate(owners):
        at = f"{prefix}.ownerReferences[{index}]"
        causes += [
            required_value(f"{at}.{name}", "must not be empty")
            for name in ("apiVersion", "kind", "name", "uid")
            if not owner.get(name)
        ]
    if sum(bool(owner.get("controller")) for owner in owners) > 1:
        problem = "Only one reference can have Controller set to true"
        causes.append(invalid_value(f"{prefix}.ownerReferences", "", problem))
    return causes

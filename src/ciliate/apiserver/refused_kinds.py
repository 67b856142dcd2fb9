"""Kinds that are known by name and refused, and kinds that only answer: what discovery also lists.

A client that finds a kind in discovery sends its request, and is told here why it is refused and
what to write instead; without the entry it would only say that it knows no such kind.
"""

from typing import Final

from ciliate.apiserver import columns, errors
from ciliate.apiserver.requests import RequestTarget
from ciliate.apiserver.resources import ServedResource

#: Group, version, kind, plural, whether it is namespaced, and why it is refused.
_REFUSED: Final = (
    (
        *("events.k8s.io", "v1", "Event", "events", True),
        "Events are served in v1 alone: read and write them there",
    ),
    (
        *("", "v1", "ComponentStatus", "componentstatuses", False),
        "a lab's control plane has no such parts to ask: see ciliate status",
    ),
)
#: Reviews: created, answered, never stored (see `reviews`).
_AUTHORIZATION: Final = "authorization.k8s.io"
_AUTHENTICATION: Final = "authentication.k8s.io"
_REVIEWS: Final = (
    (_AUTHORIZATION, "SelfSubjectAccessReview", False),
    (_AUTHORIZATION, "SelfSubjectRulesReview", False),
    (_AUTHORIZATION, "SubjectAccessReview", False),
    (_AUTHORIZATION, "LocalSubjectAccessReview", True),
    (_AUTHENTICATION, "SelfSubjectReview", False),
    (_AUTHENTICATION, "TokenReview", False),
)


def _listed(
    group: str, version: str, kind: str, plural: str, refusal: str, *, namespaced: bool
) -> ServedResource:
    # Nothing but "create": who lists whatever can be listed leaves these out.
    return ServedResource(
        group=group,
        version=version,
        plural=plural,
        singular=kind.lower(),
        kind=kind,
        namespaced=namespaced,
        printing=columns.DEFAULT,
        short_names=("cs",) if kind == "ComponentStatus" else (),
        verbs=("create",),
        is_storage=False,
        refusal=refusal,
    )


def refused_kinds() -> list[ServedResource]:
    """Return the kinds that discovery lists and every request is refused for."""
    return [
        _listed(group, version, kind, plural, why, namespaced=namespaced)
        for group, version, kind, plural, namespaced, why in _REFUSED
    ]


def review_kinds() -> list[ServedResource]:
    """Return the kinds that are answered when they are created, elsewhere, and have no objects."""
    return [
        _listed(group, "v1", kind, f"{kind.lower()}s", "ask by create", namespaced=namespaced)
        for group, kind, namespaced in _REVIEWS
    ]


def check_refusal(target: RequestTarget) -> None:
    """Refuse a request for what is known by name alone.

    Raises:
        StatusError: It is one, with the reason and what to do instead (403).
    """
    resource = target.resource
    if resource.refusal:
        raise errors.forbidden(
            resource=resource.plural,
            group=resource.group,
            name=target.name,
            problem=resource.refusal,
        )

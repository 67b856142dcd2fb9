"""Rules of roles: whether they allow what a client asks for (rbac.authorization.k8s.io/v1). Pure.

As Kubernetes' own: rules only allow, and a star stands for everything. Which roles a client has,
`authorizer` finds.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

Rule = dict[str, Any]

_ALL: Final = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a client wants to do: with a resource ("pods/exec" for a subresource), or with a path."""

    verb: str
    group: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

    def words(self) -> str:
        """Return it in kube-apiserver's words."""
        if self.path:
            return f'{self.verb} path "{self.path}"'
        where = (
            f'in the namespace "{self.namespace}"' if self.namespace else "at the cluster scope"
        )
        return f'{self.verb} resource "{self.resource}" in API group "{self.group}" {where}'


#: Everything, which a client must be allowed before it may hand out rights.
EVERYTHING: Final = Asked(verb=_ALL, group=_ALL, resource=_ALL)


def allows(rule: Mapping[str, Any], asked: Asked) -> bool:
    """Return whether one rule of a role allows something."""
    if not _has(rule.get("verbs"), asked.verb):
        return False
    if asked.path:
        return any(_covers(str(url), asked.path) for url in rule.get("nonResourceURLs") or ())
    names = rule.get("resourceNames") or ()
    return (
        _has(rule.get("apiGroups"), asked.group)
        and _has_resource(rule.get("resources") or (), asked.resource)
        and (not names or asked.name in names)
    )


def _has(values: Iterable[str] | None, wanted: str) -> bool:
    held = values or ()
    return _ALL in held or wanted in held


def _has_resource(held: Iterable[str], wanted: str) -> bool:
    _, slash, subresource = wanted.partition("/")
    return _has(held, wanted) or bool(slash and f"*/{subresource}" in held)


def _covers(url: str, path: str) -> bool:
    return path.startswith(url[:-1]) if url.endswith("*") else url == path


def is_subject(
    subject: Mapping[str, Any], *, user: str, groups: Iterable[str], namespace: str
) -> bool:
    """Return whether a binding's subject is a client; `namespace` is the binding's."""
    name = subject.get("name", "")
    match subject.get("kind"):
        case "User":
            return bool(name == user)
        case "Group":
            return name in groups
        case "ServiceAccount":
            place = subject.get("namespace") or namespace
            return bool(user == f"system:serviceaccount:{place}:{name}")
        case _:
            return False


def selected(labels: Mapping[str, str], selectors: Iterable[Rule]) -> bool:
    """Return whether a ClusterRole is one of those that another is made of (aggregationRule)."""
    return any(_selects(selector, labels) for selector in selectors)


def _selects(selector: Rule, labels: Mapping[str, str]) -> bool:
    wanted = (selector.get("matchLabels") or {}).items()
    if not all(labels.get(key) == value for key, value in wanted):
        return False
    return all(_fulfils(each, labels) for each in selector.get("matchExpressions") or ())


def _fulfils(expression: Rule, labels: Mapping[str, str]) -> bool:
    key, values = expression.get("key", ""), expression.get("values") or ()
    match expression.get("operator"):
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case _:
            return False


def summary(rules: Iterable[Rule]) -> tuple[list[Rule], list[Rule]]:
    """Return the rules about resources and about paths, as a SelfSubjectRulesReview lists them."""
    held = list(rules)
    about_resources = [
        {
            name: rule[name]
            for name in ("verbs", "apiGroups", "resources", "resourceNames")
            if rule.get(name)
        }
        for rule in held
        if rule.get("resources")
    ]
    about_paths = [
        {"verbs": rule.get("verbs", []), "nonResourceURLs": rule["nonResourceURLs"]}
        for rule in held
        if rule.get("nonResourceURLs")
    ]
    return about_resources, about_paths

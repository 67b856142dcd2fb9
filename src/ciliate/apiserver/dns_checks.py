"""Rules of a pod's dnsPolicy and dnsConfig, in kube-apiserver's words.

Source: kubernetes `pkg/apis/core/validation`, with search domains as 1.33 takes them.
"""

import json
import re
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any, Final

from ciliate.apiserver.errors import Cause
from ciliate.apiserver.names import invalid_value, required_value
from ciliate.apiserver.store import JsonObject

#: What resolvers of programs read (resolv.conf(5)).
_SERVERS_MAX: Final = 3
_SEARCHES_MAX: Final = 32
_SEARCH_CHARACTERS_MAX: Final = 2048

_DOMAIN_MAX: Final = 253
#: Underscores are for names of SRV records, which people search in.
_LABEL: Final = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_DOMAIN: Final = rf"{_LABEL}(\.{_LABEL})*"
_domain_re: Final = re.compile(_DOMAIN)


def dns_causes(spec: JsonObject, field: str) -> list[Cause]:
    """Return what is wrong with the dnsConfig of a pod's specification, given its dnsPolicy."""
    at, config = f"{field}.dnsConfig", spec.get("dnsConfig")
    if spec.get("dnsPolicy") == "None":
        if config is None:
            return [required_value(at, "must provide `dnsConfig` when `dnsPolicy` is None")]
        if not config.get("nameservers"):
            problem = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            return [required_value(f"{at}.nameservers", problem)]
    return list(_config_causes(config or {}, at))


def _config_causes(config: JsonObject, at: str) -> Iterator[Cause]:
    servers, searches = config.get("nameservers") or [], config.get("searches") or []
    if len(servers) > _SERVERS_MAX:
        problem = f"must not have more than {_SERVERS_MAX} nameservers"
        yield _invalid_list(f"{at}.nameservers", servers, problem)
    for index, server in enumerate(servers):
        if not _is_address(server):
            problem = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
            yield invalid_value(f"{at}.nameservers[{index}]", server, problem)
    if len(searches) > _SEARCHES_MAX:
        problem = f"must not have more than {_SEARCHES_MAX} search paths"
        yield _invalid_list(f"{at}.searches", searches, problem)
    if len(" ".join(searches)) > _SEARCH_CHARACTERS_MAX:
        problem = (
            f"must not have more than {_SEARCH_CHARACTERS_MAX} characters (including spaces) in "
            "the search list"
        )
        yield _invalid_list(f"{at}.searches", searches, problem)
    for index, search in enumerate(searches):
        domain = search.removesuffix(".")
        for problem in _domain_problems(domain) if search != "." else ():
            yield invalid_value(f"{at}.searches[{index}]", domain, problem)
    for index, option in enumerate(config.get("options") or ()):
        if not option.get("name"):
            yield required_value(f"{at}.options[{index}]", "must not be empty")


def _invalid_list(field: str, value: list[str], problem: str) -> Cause:
    shown = json.dumps(value, separators=(",", ":"))
    return Cause(field, "FieldValueInvalid", f"Invalid value: {shown}: {problem}")


def _is_address(text: Any) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _domain_problems(domain: str) -> list[str]:
    problems = []
    if len(domain) > _DOMAIN_MAX:
        problems.append(f"must be no more than {_DOMAIN_MAX} characters")
    if not _domain_re.fullmatch(domain):
        problems.append(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, "
            "'_', '-' or '.', and must start and end with an alphanumeric character (e.g. "
            f"'example.com', regex used for validation is '{_DOMAIN}')"
        )
    return problems

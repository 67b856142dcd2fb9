"""What a field of a filter asks of the HTTP of a flow; flows without any meet none. Pure."""

import re
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Final
from urllib.parse import unquote, urlsplit

from ciliate.flows.pb.flow import flow_pb2
from ciliate.flows.server.conditions import Condition
from ciliate.flows.server.errors import quoted
from ciliate.flows.server.patterns import compile_patterns
from ciliate.flows.server.view import FlowView, HttpView

_CODE: Final = re.compile(r"[1-5][0-9]{2}")
_CODE_PREFIX: Final = re.compile(r"[1-5][0-9]?\+")
_NOT_IN_URLS: Final = re.compile(r"[\x00-\x20\x7f]|%(?![0-9A-Fa-f]{2})")


def status_code(path: str, values: Sequence[str]) -> Condition:
    """A status as "404", or its beginning as "4+" or "40+"; requests have none."""
    codes, beginnings = set[str](), list[str]()
    for value in values:
        if _CODE.fullmatch(value):
            codes.add(value)
        elif _CODE_PREFIX.fullmatch(value):
            beginnings.append(value.removesuffix("+"))
        else:
            raise ValueError(f"{quoted(value)}: a status as 404, 40+ or 4+ is needed")
    first = tuple(beginnings)

    def holds(http: HttpView) -> bool:
        code = f"{http.code:03}"
        return http.code != 0 and (code in codes or code.startswith(first))

    return _of_http(path, holds)


def method(path: str, values: Sequence[str]) -> Condition:
    """A method, in any case."""
    wanted = {each.lower() for each in values}
    return _of_http(path, lambda http: bool(http.method) and http.method.lower() in wanted)


def header(path: str, values: Sequence[flow_pb2.HTTPHeader]) -> Condition:
    """Key and value of the same header."""
    wanted = {(each.key, each.value) for each in values}
    return _of_http(path, lambda http: not wanted.isdisjoint(http.headers))


def url(path: str, values: Sequence[str]) -> Condition:
    """A regular expression is found in the URL."""
    matches = compile_patterns(list(values))
    return _of_http(path, lambda http: matches(http.url))


def url_path(path: str, values: Sequence[str]) -> Condition:
    """A regular expression is found in the path of the URL, its escapes resolved."""
    matches = compile_patterns(list(values))

    def holds(http: HttpView) -> bool:
        found = path_of(http.url)
        return found is not None and matches(found)

    return _of_http(path, holds)


def path_of(text: str) -> str | None:
    """Return the path of a URL or of a request's first line; None: it is neither."""
    if not text or _NOT_IN_URLS.search(text):
        return None
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return None
    if not (parts.scheme or text.startswith("/") or text == "*"):
        return None
    return unquote(parts.path)


def _of_http(path: str, holds: Callable[[HttpView], bool]) -> Condition:
    get = attrgetter(path)

    def holds_of(flow: FlowView) -> bool:
        found = get(flow)
        return found is not None and holds(found)

    return holds_of

"""Warnings: what an answer says beside its result, and kubectl prints in yellow.

Any part of the server adds a text while it answers a request; the dispatcher sends all of them as
Warning headers (RFC 7234, section 5.5, code 299), the answer being an error or not. Bounds are
kube-apiserver's (`k8s.io/apiserver/pkg/endpoints/filters/warning.go`).
"""

import re
from contextvars import ContextVar
from typing import Final

from aiohttp import web

_HEADER: Final = "Warning"
#: Characters of all texts of one answer, and of one of them once all would exceed that.
_TOTAL_MAX: Final = 4096
_CUT_TO: Final = 256
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]+")

_texts: ContextVar[dict[str, None] | None] = ContextVar("warnings", default=None)


def begin() -> None:
    """Begin a request: it has no warnings yet."""
    _texts.set({})


def warn(text: str) -> None:
    """Add a text to the current request's answer, once; outside of a request nobody hears it."""
    texts = _texts.get()
    if texts is not None:
        texts[_CONTROL.sub(" ", text)] = None


def attach(response: web.StreamResponse) -> None:
    """Add the request's warnings to its answer, whose headers are not sent yet."""
    texts = list(_texts.get() or ())
    if sum(map(len, texts)) > _TOTAL_MAX:
        texts = [text[:_CUT_TO] for text in texts]
    left = _TOTAL_MAX
    for text in texts:
        left -= len(text)
        if left < 0:
            return
        response.headers.add(_HEADER, f"299 - {_quoted(text)}")


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'

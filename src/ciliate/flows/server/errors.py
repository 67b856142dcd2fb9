"""Why a request for flows is refused, with the facts as attributes. Pure."""

import json
from typing import Final

from ciliate.errors import CiliateError

#: Of a value that is refused: the rest is not repeated to who sent it.
_QUOTED_MAX: Final = 64


class FlowFilterError(CiliateError):
    """A field of a filter has a value that cannot be used."""

    def __init__(self, field: str, problem: str) -> None:
        self.field = field
        self.problem = problem
        super().__init__(f"invalid {field.replace('_', ' ')} filter: {problem}")


class HttpEventTypeError(CiliateError):
    """A filter asks for HTTP and for types of events that have none."""

    def __init__(self, field: str) -> None:
        self.field = field
        words = "http headers" if field == "http_header" else field.replace("_", " ")
        super().__init__(
            f"filtering by {words} requires the event type filter to only match 'l7' events"
        )


class FilterBoundError(CiliateError):
    """A request's filters are more, or longer, than a server looks at for each flow."""

    def __init__(self, what: str, *, found: int, bound: int) -> None:
        self.found = found
        self.bound = bound
        super().__init__(
            f"invalid filter: {found:,} {what}, at most {bound:,} are taken: ask for less at once"
        )


def quoted(text: str) -> str:
    """Return what was sent, in quotation marks and of a length that can be read."""
    shown = text if len(text) <= _QUOTED_MAX else f"{text[:_QUOTED_MAX]}…"
    return json.dumps(shown, ensure_ascii=False)


class FieldMaskError(CiliateError):
    """A path of a field mask names nothing."""

    def __init__(self, path: str, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(f"invalid field mask: path {quoted(path)} {problem}")


class FlowRequestError(CiliateError):
    """The parts of a request contradict each other."""

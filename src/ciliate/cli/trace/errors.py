"""What keeps `ciliate trace` from an answer."""

from collections.abc import Mapping

from ciliate.errors import CiliateError


class TraceError(CiliateError):
    """There is no way to show."""


class DestinationError(TraceError):
    """DEST names nobody."""

    def __init__(self, text: str, problem: str) -> None:
        self.text = text
        super().__init__(
            f"destination {text!r}: {problem}: write NAMESPACE/NAME or NAME of a pod or a Service,"
            " or an address, and :PORT behind it, as webpod:80 or [2001:db8::10]:443"
        )


class SenderError(TraceError):
    """The pod is not there, or has no packets of its own."""

    def __init__(self, pod: str, problem: str) -> None:
        self.pod = pod
        super().__init__(f"pod {pod} {problem}: `kubectl get pods -A -o wide` shows them")


class NobodyTellsError(TraceError):
    """No node answers."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = dict(problems)
        said = "; ".join(f"{node}: {problem}" for node, problem in problems.items())
        super().__init__(f"no node tells of its flows: {said or 'no agent was found'}")


class NothingSeenError(TraceError):
    """No packet came."""

    def __init__(self, who: str, remedy: str) -> None:
        super().__init__(f"no packet {who}: {remedy}")

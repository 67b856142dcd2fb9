"""The flow server in a node's status: what the agent says of it, and its line in `dbg status`. Pure."""

from collections.abc import Iterator

from ciliate.api.agent_status import HubbleStatus, ObserverStatus
from ciliate.flows.feed import Report


def hubble_status(report: Report | None, *, enabled: bool, capacity: int) -> HubbleStatus:
    """Return the status by the server's latest report; None: it does not serve."""
    if not enabled:
        return HubbleStatus(state="Disabled")
    if report is None:
        return HubbleStatus(state="Warning", msg="the flow server is not serving")
    return HubbleStatus(
        state="Ok",
        observer=ObserverStatus(
            current_flows=report.kept,
            max_flows=capacity,
            seen_flows=report.seen,
            uptime=report.uptime_ns,
        ),
    )


def lines(hubble: HubbleStatus) -> Iterator[str]:
    """Yield the line of `dbg status`."""
    words: list[str] = [hubble.state, hubble.msg] if hubble.msg else [hubble.state]
    if observer := hubble.observer:
        share = observer.current_flows / observer.max_flows
        seconds = max(observer.uptime / 10**9, 1.0)
        words.append(
            f"Current/Max Flows: {observer.current_flows}/{observer.max_flows} ({share:.2%}),"
            f" Flows/s: {observer.seen_flows / seconds:.2f}"
        )
        words.append("Metrics: Disabled")
    yield "Hubble:\t" + "   ".join(words)

"""Whether a Deployment's rollout goes on, has ended, or is stuck: its condition Progressing. Pure.

Progress is a pod that was updated, became ready or available, or an old one that went. Without any for
`progressDeadlineSeconds` the rollout counts as failed, which `kubectl rollout status` ends with; it
goes on all the same when what held it up is gone (the real controller's rules).
"""

from collections.abc import Mapping
from typing import Final

from ciliate.api.metadata import parse_time
from ciliate.lab.objects import Deployment, Json

DONE: Final = "NewReplicaSetAvailable"
GOING_ON: Final = "ReplicaSetUpdated"
STUCK: Final = "ProgressDeadlineExceeded"

#: What stands for "no deadline": the largest number the field takes.
_NEVER: Final = 2**31 - 1


def progressing(
    deployment: Deployment, counts: Mapping[str, int], *, name: str, is_complete: bool, now: str
) -> Json:
    """Return the condition of a rollout to the ReplicaSet `name`; `counts` is the new status."""
    last = _last(deployment)
    if is_complete:
        return _condition(last, DONE, f'ReplicaSet "{name}" has successfully progressed.', now=now)
    if last.get("reason") == DONE and counts["replicas"] == counts["updatedReplicas"]:
        return last  # Rolled out before: that pods are made anew, or more of them, is no rollout.
    if not last or last.get("reason") == DONE or _has_advanced(deployment.status, counts):
        message = f'ReplicaSet "{name}" is progressing.'
        return _condition(last, GOING_ON, message, now=now) | {"lastUpdateTime": now}
    left_s = _left_s(deployment, last, now)
    if left_s is None or left_s > 0:
        return last
    message = f'ReplicaSet "{name}" has timed out progressing.'
    return _condition(last, STUCK, message, now=now)


def seconds_left(deployment: Deployment, condition: Json, now: str) -> float | None:
    """Return when the condition is to be looked at again, if nothing happens; None: never."""
    if condition.get("reason") != GOING_ON:
        return None
    return _left_s(deployment, condition, now)


def _last(deployment: Deployment) -> Json:
    for each in deployment.status.get("conditions") or []:
        if each.get("type") == "Progressing":
            return dict(each)
    return {}


def _has_advanced(before: Json, counts: Mapping[str, int]) -> bool:
    def old(status: Mapping[str, int]) -> int:
        return int(status.get("replicas", 0)) - int(status.get("updatedReplicas", 0))

    more = ("updatedReplicas", "readyReplicas", "availableReplicas")
    return old(counts) < old(before) or any(counts[k] > int(before.get(k, 0)) for k in more)


def _left_s(deployment: Deployment, condition: Json, now: str) -> float | None:
    deadline_s = deployment.spec.progress_deadline_seconds
    if deadline_s is None or deadline_s >= _NEVER or deployment.spec.paused:
        return None
    since = parse_time(condition.get("lastUpdateTime") or now)
    return deadline_s - (parse_time(now) - since).total_seconds()


def _condition(last: Json, reason: str, message: str, *, now: str) -> Json:
    status = "False" if reason == STUCK else "True"
    content = {"type": "Progressing", "status": status, "reason": reason, "message": message}
    if all(last.get(key) == value for key, value in content.items()):
        return last
    since = last.get("lastTransitionTime") if last.get("status") == status else None
    return {**content, "lastUpdateTime": now, "lastTransitionTime": since or now}

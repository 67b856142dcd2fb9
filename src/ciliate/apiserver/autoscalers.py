"""HorizontalPodAutoscalers of autoscaling/v1, which are stored as v2.

Version 1 has one metric, the processor's share. What v2 has besides travels in annotations, so that
a client of v1 that writes an object back loses nothing of it. kubectl before 1.33 makes v1.
"""

from typing import Any, Final

import msgspec

from ciliate.apiserver.store import JsonObject

_SHARE: Final = "targetCPUUtilizationPercentage"
#: Fields of v2 that v1 lacks, and the annotations that carry them there.
_CARRIED: Final = {
    "metrics": "autoscaling.alpha.kubernetes.io/metrics",
    "behavior": "autoscaling.alpha.kubernetes.io/behavior",
}

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder().decode


def _metric(share: Any) -> JsonObject:
    target = {"type": "Utilization", "averageUtilization": share}
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


def _share_of(metric: Any) -> Any:
    """Return the share of the processor that a metric of v2 asks for; None for another metric."""
    resource = metric.get("resource") if isinstance(metric, dict) else None
    share = ((resource or {}).get("target") or {}).get("averageUtilization")
    return share if metric == _metric(share) else None


def to_v2(obj: JsonObject) -> None:
    """Turn an object of v1 into v2, in place."""
    spec = obj.setdefault("spec", {})
    annotations = obj["metadata"].get("annotations") or {}
    for field, annotation in _CARRIED.items():
        text = annotations.pop(annotation, None)
        if text is not None:
            try:
                spec[field] = _decode(text)
            except msgspec.DecodeError:
                continue  # Somebody else's: v2 has no place for it.
    share = spec.pop(_SHARE, None)
    if share is not None:
        spec["metrics"] = [_metric(share), *(spec.get("metrics") or ())]
    if not annotations:
        obj["metadata"].pop("annotations", None)


def to_v1(obj: JsonObject) -> None:
    """Turn an object of v2 into v1, in place."""
    spec = obj.get("spec") or {}
    metrics = spec.get("metrics") or []
    share = next((s for s in map(_share_of, metrics) if s is not None), None)
    if share is not None:
        metrics.remove(_metric(share))
        spec[_SHARE] = share
    for field, annotation in _CARRIED.items():
        value = spec.pop(field, None)
        if value:
            annotations = obj["metadata"].setdefault("annotations", {})
            annotations[annotation] = _encode(value).decode()

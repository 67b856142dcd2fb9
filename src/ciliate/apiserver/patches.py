"""Patches: what a PATCH request makes of an object.

JSON patch (RFC 6902), JSON merge patch (RFC 7386) and Kubernetes' strategic merge patch; the
media type says which. Server-side apply is in `apply`.
"""

from copy import deepcopy
from typing import Any, Final

import jsonpatch
import jsonpointer

from ciliate.apiserver import errors
from ciliate.apiserver.schema import SchemaNode
from ciliate.apiserver.store import JsonObject
from ciliate.apiserver.strategic import merge_strategic

JSON_PATCH: Final = "application/json-patch+json"
MERGE_PATCH: Final = "application/merge-patch+json"
STRATEGIC_PATCH: Final = "application/strategic-merge-patch+json"
APPLY_PATCH: Final = "application/apply-patch+yaml"

#: As kube-apiserver: each operation copies what it touches.
_OPERATIONS_MAX: Final = 10_000


def patched(obj: JsonObject, patch: Any, media: str, node: SchemaNode | None) -> JsonObject:
    """Return `obj` after the patch, as a value of its own.

    Raises:
        StatusError: The patch is malformed (400), or does not fit the object (422).
    """
    if media == JSON_PATCH:
        return _json_patched(obj, patch)
    if not isinstance(patch, dict):
        raise errors.bad_request("the patch must be a JSON object")
    if media == MERGE_PATCH:
        merged: JsonObject = merge(deepcopy(obj), patch)
        return merged
    return merge_strategic(deepcopy(obj), patch, node)


def merge(target: Any, patch: Any) -> Any:
    """Return `target` after a JSON merge patch (RFC 7386, section 2), changing it in place."""
    if not isinstance(patch, dict):
        return patch
    if not isinstance(target, dict):
        target = {}
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        else:
            target[name] = merge(target.get(name), value)
    return target


def _json_patched(obj: JsonObject, patch: Any) -> JsonObject:
    if not isinstance(patch, list):
        raise errors.bad_request("a JSON patch must be a list of operations")
    if len(patch) > _OPERATIONS_MAX:
        problem = f"The allowed maximum operations in a JSON patch is {_OPERATIONS_MAX}, got {len(patch)}"
        raise errors.StatusError(code=413, reason="RequestEntityTooLarge", message=problem)
    result: Any = deepcopy(obj)
    for operation in patch:
        result = _operated(result, operation)
    if not isinstance(result, dict):
        raise _unprocessable("the patch leaves no object")
    return result


def _operated(value: Any, operation: Any) -> Any:
    """Return `value` after one operation; its errors name the place and never a value.

    The library's own print what they met, which may be a Secret's data.
    """
    if not isinstance(operation, dict):
        raise errors.bad_request("a JSON patch operation must be an object")
    kind, path = str(operation.get("op", "")), str(operation.get("path", ""))
    try:
        return jsonpatch.JsonPatch([operation]).apply(value, in_place=True)
    except jsonpatch.JsonPatchTestFailed:
        problem = f"testing value {path} failed: test failed"
    except (jsonpatch.JsonPatchConflict, jsonpointer.JsonPointerException):
        problem = f"{kind} operation does not apply: doc is missing path: {path}: missing value"
    except jsonpatch.JsonPatchException:
        problem = f'"{kind}" of "{path}" is no operation of a JSON patch (RFC 6902, section 4)'
    except (TypeError, AttributeError, KeyError):
        # The library trusts that an operation has text in it, and its pointer leads somewhere.
        raise errors.bad_request(
            f"{kind} operation of a JSON patch is malformed: {path}"
        ) from None
    raise _unprocessable(problem) from None


def _unprocessable(problem: str) -> errors.StatusError:
    return errors.StatusError(
        code=422,
        reason="Invalid",
        message=f"the server rejected our request due to an error in our request: {problem}",
        details={},
    )

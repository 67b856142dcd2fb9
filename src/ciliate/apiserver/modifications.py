"""Partial changes: patches in any format, and the scale subresource.

A patch is applied to the newest version within one turn of the event loop, so it never conflicts
by itself; one that names a resourceVersion conflicts when that is not the newest.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from ciliate.apiserver import errors
from ciliate.apiserver.apply import Applier, applied
from ciliate.apiserver.bodies import checked_object
from ciliate.apiserver.history import Stored
from ciliate.apiserver.managed_fields import Author, shown_entries
from ciliate.apiserver.object_json import managed_fields
from ciliate.apiserver.patches import APPLY_PATCH, patched
from ciliate.apiserver.requests import (
    RequestTarget,
    as_object,
    field_validation,
    invalid_option,
    is_dry_run,
    is_true,
)
from ciliate.apiserver.scales import applied_scale, render_scale, scaled
from ciliate.apiserver.store import JsonObject, Store
from ciliate.apiserver.versions import loaded, shown
from ciliate.apiserver.writes import Writer, Written

_OPTIONS: Final = "PatchOptions"

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder().decode


@dataclass(slots=True)
class Modifications:
    """Changes of parts of objects."""

    store: Store
    writer: Writer

    def patch(
        self,
        target: RequestTarget,
        media: str,
        patch: Any,
        query: Mapping[str, str],
        *,
        manager: str,
    ) -> tuple[bool, Written]:
        """Apply a patch and return whether it made the object, and what is stored.

        Raises:
            StatusError: There is no such object, or the patch or its result is invalid.
        """
        current = self.store.get(target.resource.id, (target.namespace, target.name))
        if media == APPLY_PATCH:
            return self._apply(target, current, patch, query)
        if current is None:
            resource = target.resource
            raise errors.not_found(
                resource=resource.plural, group=resource.group, name=target.name
            )
        if "force" in query:
            problem = "Forbidden: may not be specified for non-apply patch"
            raise invalid_option(_OPTIONS, "force", "FieldValueForbidden", problem)
        dry_run = is_dry_run(query)
        if target.subresource == "scale":
            scale = patched(self.scale_of(target, current), patch, media, None)
            scale = self.set_scale(target, current, scale, manager=manager, dry_run=dry_run)
            return False, Written(_encode(scale))
        was = loaded(target.resource, current)
        if _names_managed_fields(patch):
            was["metadata"]["managedFields"] = shown_entries(managed_fields(current))
        new = as_object(patched(was, patch, media, target.resource.node))
        checked_object(target, new, validation=field_validation(query, _OPTIONS))
        written = self.writer.update(
            target.resource,
            current,
            new,
            subresource=target.subresource,
            tracking=Author(manager, target.subresource),
            dry_run=dry_run,
        )
        return False, written

    def scale_of(self, target: RequestTarget, current: Stored) -> JsonObject:
        """Return the Scale of an object."""
        return render_scale(target.resource, loaded(target.resource, current))

    def set_scale(
        self,
        target: RequestTarget,
        current: Stored,
        scale: JsonObject,
        *,
        manager: str,
        dry_run: bool,
    ) -> JsonObject:
        """Store the replicas a Scale asks for and return it as it is then.

        Raises:
            StatusError: The number is invalid, or the object changed since (409).
        """
        new = scaled(target.resource, loaded(target.resource, current), scale)
        tracking = Author(manager, target.subresource)
        written = self.writer.update(
            target.resource, current, new, tracking=tracking, dry_run=dry_run
        )
        return render_scale(target.resource, _decode(shown(target.resource, written.raw)))

    def _apply(
        self, target: RequestTarget, current: Stored | None, patch: Any, query: Mapping[str, str]
    ) -> tuple[bool, Written]:
        resource, dry_run = target.resource, is_dry_run(query)
        if current is None and target.subresource:
            raise errors.not_found(
                resource=resource.plural, group=resource.group, name=target.name
            )
        config = self._configuration(target, patch, query)
        result = applied(
            resource,
            loaded(resource, current) if current is not None else None,
            managed_fields(current) if current is not None else b"",
            config,
            Applier(
                manager=query["fieldManager"],
                subresource=target.subresource,
                force=is_true(query.get("force", "false")),
            ),
        )
        if current is None:
            written = self.writer.create(
                resource, target.namespace, result.obj, tracking=result, dry_run=dry_run
            )
            return True, written
        # Of an object, a scale is a field: the rest of the path's rules are for its status.
        subresource = "" if target.subresource == "scale" else target.subresource
        written = self.writer.update(
            resource,
            current,
            result.obj,
            subresource=subresource,
            tracking=result,
            dry_run=dry_run,
        )
        if target.subresource == "scale":
            return False, Written(
                _encode(render_scale(resource, _decode(shown(resource, written.raw))))
            )
        return False, written

    @staticmethod
    def _configuration(target: RequestTarget, patch: Any, query: Mapping[str, str]) -> JsonObject:
        if not query.get("fieldManager"):
            problem = "Required value: is required for apply patch"
            raise invalid_option(_OPTIONS, "fieldManager", "FieldValueRequired", problem)
        config = as_object(patch)
        if config["metadata"].get("managedFields"):
            raise errors.bad_request("metadata.managedFields must be nil")
        if target.subresource == "scale":
            return applied_scale(target.resource, config)
        return checked_object(target, config, validation=field_validation(query, _OPTIONS))


def _names_managed_fields(patch: Any) -> bool:
    """Return whether a patch is about the managedFields: only then are they part of the object."""
    if isinstance(patch, list):
        paths = [op.get(name) for op in patch if isinstance(op, dict) for name in ("path", "from")]
        return any(str(path).startswith("/metadata/managedFields") for path in paths)
    metadata = patch.get("metadata") if isinstance(patch, dict) else None
    return isinstance(metadata, dict) and "managedFields" in metadata

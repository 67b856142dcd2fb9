"""Partial changes: patches in any format, and the scale subresource.

A patch is applied to the newest version within one turn of the event loop, so it never conflicts
by itself; one that names a resourceVersion conflicts when that is not the newest.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from ciliate.apiserver import errors
from ciliate.apiserver.apply import applied
from ciliate.apiserver.bodies import checked_object
from ciliate.apiserver.history import Stored
from ciliate.apiserver.patches import APPLY_PATCH, patched
from ciliate.apiserver.requests import RequestTarget, as_object, is_dry_run, is_true
from ciliate.apiserver.scales import render_scale, scaled
from ciliate.apiserver.store import JsonObject, Store
from ciliate.apiserver.versions import loaded, shown
from ciliate.apiserver.writes import Writer, Written

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder().decode


@dataclass(slots=True)
class Modifications:
    """Changes of parts of objects."""

    store: Store
    writer: Writer

    def patch(
        self, target: RequestTarget, media: str, patch: Any, query: Mapping[str, str]
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
        dry_run = is_dry_run(query)
        if target.subresource == "scale":
            scale = patched(self.scale_of(target, current), patch, media, None)
            scale = self.set_scale(target, current, scale, dry_run=dry_run)
            return False, Written(_encode(scale))
        was = loaded(target.resource, current)
        managed = was["metadata"].get("managedFields")
        new = as_object(patched(was, patch, media, target.resource.node))
        checked_object(target, new, validation=query.get("fieldValidation", "Warn"))
        if managed is not None:
            new["metadata"]["managedFields"] = managed
        written = self.writer.update(
            target.resource, current, new, subresource=target.subresource, dry_run=dry_run
        )
        return False, written

    def scale_of(self, target: RequestTarget, current: Stored) -> JsonObject:
        """Return the Scale of an object."""
        return render_scale(target.resource, loaded(target.resource, current))

    def set_scale(
        self, target: RequestTarget, current: Stored, scale: JsonObject, *, dry_run: bool
    ) -> JsonObject:
        """Store the replicas a Scale asks for and return it as it is then.

        Raises:
            StatusError: The number is invalid, or the object changed since (409).
        """
        new = scaled(target.resource, loaded(target.resource, current), scale)
        written = self.writer.update(target.resource, current, new, dry_run=dry_run)
        return render_scale(target.resource, _decode(shown(target.resource, written.raw)))

    def _apply(
        self, target: RequestTarget, current: Stored | None, patch: Any, query: Mapping[str, str]
    ) -> tuple[bool, Written]:
        manager = query.get("fieldManager", "")
        if not manager:
            raise errors.bad_request(
                'PatchOptions.meta.k8s.io "" is invalid: fieldManager: '
                "Required value: is required for apply patch"
            )
        config = checked_object(
            target, as_object(patch), validation=query.get("fieldValidation", "Warn")
        )
        dry_run = is_dry_run(query)
        new = applied(
            target.resource,
            loaded(target.resource, current) if current is not None else None,
            config,
            manager=manager,
            subresource=target.subresource,
            force=is_true(query.get("force", "false")),
        )
        if current is None:
            if target.subresource:
                resource = target.resource
                raise errors.not_found(
                    resource=resource.plural, group=resource.group, name=target.name
                )
            written = self.writer.create(target.resource, target.namespace, new, dry_run=dry_run)
            return True, written
        return False, self.writer.update(
            target.resource, current, new, subresource=target.subresource, dry_run=dry_run
        )

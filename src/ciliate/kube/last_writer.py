"""Who wrote to an object last beside us, as far as the API server notes it: its managedFields.

Each entry names a field manager (Kubernetes, "Server-Side Apply"): what a client calls itself, or
the part of its User-Agent before the slash. A deletion leaves no entry; only the API server's audit
log has it.
"""

from typing import Any

from ciliate.api.resource import ObjectKey, Resource
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import KubeError
from ciliate.kube.lookup import Document, find_document


def last_writer(document: Document | None, *, beside: str) -> str:
    """Return who wrote to an object last, `beside` the field manager that we are."""
    if document is None:
        return "who does, only the audit log of the API server has"
    entries = document["metadata"].get("managedFields") or []
    others = [entry for entry in entries if entry.get("manager") != beside]
    if not others:
        return (
            f"no other field manager than {beside} is noted: another process of that name, or an"
            " admission webhook"
        )
    # The times are text of one form, in UTC: the greatest is the latest.
    latest = max(others, key=lambda entry: str(entry.get("time") or ""))
    return f"field manager {latest.get('manager')} wrote to it last, at {latest.get('time')}"


async def find_last_writer(client: ApiClient, resource: Resource[Any], key: ObjectKey) -> str:
    """Return who wrote to an object last beside this client, or why that is not known."""
    try:
        document = await find_document(client, resource, key)
    except KubeError as error:
        return f"by whom is not known: {error}"
    return last_writer(document, beside=client.field_manager)

"""Where a kind lives in the API: the only thing a client needs besides the object.

A `Resource` is a value; each kind's module declares one as a constant. The paths follow the
Kubernetes API's layout (API concepts, "Resource URIs").
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import quote

from ciliate.api.metadata import KubeObject

T = TypeVar("T", bound=KubeObject)
S = TypeVar("S", bound=KubeObject)

#: Namespace (empty for cluster-wide kinds) and name of an object: the key of every cache.
ObjectKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Resource(Generic[T]):
    """A kind, its address in the API, and the Struct its objects are decoded into."""

    group: str  # Empty for the core group.
    version: str
    plural: str
    kind: str
    namespaced: bool
    struct: type[T]
    #: Makes of a document that does not fit the Struct what must not be missed: what an object
    #: claims is taken even when the rest of it cannot be read. None: it is left out.
    partial_decode: Callable[[bytes], T] | None = None

    @property
    def api_version(self) -> str:
        """The value of `apiVersion` in objects: "v1", "cilium.io/v2"."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, *, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """Return the path of the collection, or of one object or its subresource.

        An empty namespace on a namespaced kind addresses all namespaces, which only a list or a
        watch may do.

        Raises:
            ValueError: A namespace for a cluster-wide kind, or a subresource without a name.
        """
        if namespace and not self.namespaced:
            raise ValueError(f"{self.plural} are cluster-wide: namespace {namespace!r} is wrong")
        if subresource and not name:
            raise ValueError(f"subresource {subresource!r} of {self.plural} needs a name")
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        scope = f"/namespaces/{quote(namespace, safe='')}" if namespace else ""
        # A name may hold "%" or "/" by mistake; quoting keeps it one path segment.
        item = f"/{quote(name, safe='')}" if name else ""
        below = f"/{subresource}" if subresource else ""
        return f"{root}{scope}/{self.plural}{item}{below}"

    def narrowed(
        self, struct: type[S], *, partial_decode: Callable[[bytes], S] | None = None
    ) -> "Resource[S]":
        """Return the same resource decoded into `struct`, which declares fewer fields.

        A cache of all pods that needs only their node takes a fraction of the memory and time.
        """
        return Resource(
            self.group,
            self.version,
            self.plural,
            self.kind,
            namespaced=self.namespaced,
            struct=struct,
            partial_decode=partial_decode,
        )

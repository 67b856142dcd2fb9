"""What a cluster has before anyone asks: namespaces, their service accounts, its own Service.

On a real cluster kube-apiserver makes the namespaces, the Service `kubernetes` and the first roles,
kube-controller-manager each namespace's account `default` and ConfigMap `kube-root-ca.crt`; here the
server makes them all.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import yaml

from ciliate.apiserver.account_volume import AUTHORITY, AUTHORITY_KEY
from ciliate.apiserver.crds import DEFINITIONS, Definitions
from ciliate.apiserver.default_roles import default_roles
from ciliate.apiserver.managed_fields import Author
from ciliate.apiserver.pod_admission import PodAdmission
from ciliate.apiserver.services import ServiceAllocator
from ciliate.apiserver.settings import ApiServerSettings
from ciliate.apiserver.store import JsonObject, Store, decode
from ciliate.apiserver.writes import Writer
from ciliate.errors import SettingError

_NAMESPACES: Final = ("default", "kube-system", "kube-public", "kube-node-lease")
_HTTPS: Final = 443
#: Whose these objects are in their managedFields.
_SELF: Final = Author("kube-apiserver")


@dataclass(slots=True)
class Namespaces:
    """Gives every namespace its service account and the authority (an Admission of theirs)."""

    writer: Writer
    authority: str

    def creating(self, obj: JsonObject, *, dry_run: bool) -> None:
        """Leave the namespace as it is."""

    def updating(self, new: JsonObject, old: JsonObject, *, dry_run: bool) -> None:
        """Leave the namespace as it is."""

    def written(self, obj: JsonObject) -> None:
        """Make what a namespace has not yet: its account, and what tells pods whom to trust."""
        metadata = obj["metadata"]
        if metadata.get("deletionTimestamp"):
            return
        place = {"namespace": metadata["name"]}
        ensure(self.writer, "serviceaccounts", {"metadata": {"name": "default", **place}})
        trusted = {"data": {AUTHORITY_KEY: self.authority}}
        ensure(self.writer, "configmaps", {"metadata": {"name": AUTHORITY, **place}, **trusted})

    def deleted(self, obj: JsonObject) -> None:
        """Do nothing: the namespace went after its contents."""


def _authority(settings: ApiServerSettings) -> str:
    try:
        return settings.ca_file.read_text()
    except OSError as error:
        raise SettingError(
            key="ca_file",
            value=str(settings.ca_file),
            problem=f"cannot be read ({error})",
            remedy="give the PEM file of the authority",
        ) from error


def ensure(writer: Writer, resource_id: str, obj: JsonObject) -> None:
    """Create an object unless one of its name exists."""
    resource = writer.registry.by_id(resource_id)
    assert resource is not None
    namespace = obj["metadata"].get("namespace", "")
    if writer.store.get(resource_id, (namespace, obj["metadata"]["name"])) is None:
        writer.create(resource, namespace, obj, tracking=_SELF)


def bootstrap(writer: Writer, settings: ApiServerSettings) -> None:
    """Make what is missing and serve the definitions that are stored or given.

    Raises:
        SettingError: A file of definitions cannot be read, or is invalid.
    """
    for resource in writer.registry.all():  # A new store has no index of any kind yet.
        if resource.fields_of is not None:
            writer.store.collection(resource.id, resource.fields_of)
    definitions = Definitions(writer.registry, writer.store)
    writer.admissions[DEFINITIONS] = definitions
    for stored in list(writer.store.collection(DEFINITIONS).objects.values()):
        definitions.restored(decode(stored))
    writer.admissions["pods"] = PodAdmission(writer.store)
    writer.admissions["services"] = _addresses(writer.store, settings)
    writer.admissions["namespaces"] = namespaces = Namespaces(writer, _authority(settings))
    for name in _NAMESPACES:
        ensure(writer, "namespaces", {"metadata": {"name": name}})
    for stored in list(writer.store.collection("namespaces").objects.values()):
        namespaces.written(
            decode(stored)
        )  # What was removed, or was not made by a former version.
    for file in settings.crd_files:
        for definition in _read_definitions(file):
            _create_or_update(writer, definition)
    for resource_id, role in default_roles():
        ensure(writer, resource_id, role)
    _own_service(writer, settings)
    _service_range(writer, settings)


def _service_range(writer: Writer, settings: ApiServerSettings) -> None:
    """Publish the ranges of Services as a ServiceCIDR, as API servers do since Kubernetes 1.33."""
    networks = [settings.service_cidr_v4, settings.service_cidr_v6]
    cidrs = [str(network) for network in networks if network is not None]
    ready = {"type": "Ready", "status": "True", "reason": "", "message": ""}
    ensure(
        writer,
        "servicecidrs.networking.k8s.io",
        {
            "metadata": {"name": "kubernetes"},
            "spec": {"cidrs": cidrs},
            "status": {"conditions": [ready]},
        },
    )


def _addresses(store: Store, settings: ApiServerSettings) -> ServiceAllocator:
    networks: dict[str, Any] = {"IPv4": settings.service_cidr_v4}
    if settings.service_cidr_v6 is not None:
        networks["IPv6"] = settings.service_cidr_v6
    addresses = ServiceAllocator(networks, settings.service_node_ports)
    addresses.load(store)
    return addresses


def _read_definitions(file: Path) -> Iterable[JsonObject]:
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        with file.open("rb") as stream:
            documents = list(yaml.load_all(stream, Loader=loader))
    except (OSError, yaml.YAMLError) as error:
        raise SettingError(
            key="crd_files",
            value=str(file),
            problem=f"cannot be read ({error})",
            remedy="give YAML files of CustomResourceDefinitions",
        ) from error
    return [d for d in documents if isinstance(d, dict)]


def _create_or_update(writer: Writer, definition: JsonObject) -> None:
    resource = writer.registry.by_id(DEFINITIONS)
    assert resource is not None
    current = writer.store.get(DEFINITIONS, ("", definition["metadata"]["name"]))
    if current is None:
        writer.create(resource, "", definition, tracking=_SELF)
        return
    new = decode(current)
    new["spec"] = definition["spec"]
    writer.update(resource, current, new, tracking=_SELF)


def _own_service(writer: Writer, settings: ApiServerSettings) -> None:
    """Make Service default/kubernetes and point it to this server."""
    labels = {"component": "apiserver", "provider": "kubernetes"}
    place = {"name": "kubernetes", "namespace": "default"}
    address = urlsplit(settings.advertise_url)
    port = address.port or _HTTPS
    spec: JsonObject = {
        "clusterIP": str(settings.service_cidr_v4.network_address + 1),
        "ports": [{"name": "https", "port": _HTTPS, "protocol": "TCP", "targetPort": port}],
    }
    ensure(writer, "services", {"metadata": {**place, "labels": labels}, "spec": spec})
    ip = address.hostname
    if not ip or ip_address(ip).is_loopback:
        return  # Nobody else reaches it there, and no endpoint may be so.
    _replace(
        writer,
        "endpoints",
        {
            "metadata": {**place, "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}},
            "subsets": [{"addresses": [{"ip": ip}], "ports": [{"name": "https", "port": port}]}],
        },
    )
    _replace(
        writer,
        "endpointslices.discovery.k8s.io",
        {
            "metadata": {**place, "labels": {"kubernetes.io/service-name": "kubernetes"}},
            "addressType": f"IPv{ip_address(ip).version}",
            "endpoints": [{"addresses": [ip], "conditions": {"ready": True}}],
            "ports": [{"name": "https", "port": port}],
        },
    )


def _replace(writer: Writer, resource_id: str, obj: JsonObject) -> None:
    resource = writer.registry.by_id(resource_id)
    assert resource is not None
    metadata = obj["metadata"]
    current = writer.store.get(resource_id, (metadata["namespace"], metadata["name"]))
    if current is None:
        writer.create(resource, metadata["namespace"], obj, tracking=_SELF)
    else:
        writer.update(resource, current, obj, tracking=_SELF)

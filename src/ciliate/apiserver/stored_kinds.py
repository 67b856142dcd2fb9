"""Kinds that are stored and nothing acts on: one table.

People's manifests hold them, and a refused object stops the rest of an installation. So each is
taken, checked against its schema, listed, watched and patched as any other, and whoever writes one
is told by a warning what does not happen here. What this table has is all that is known of them.
docs/KINDS.md shows the same table, and what is refused.
"""

from dataclasses import replace
from typing import Final

from ciliate.apiserver import autoscalers
from ciliate.apiserver import stored_columns as columns
from ciliate.apiserver.generic_kind import StoredKind
from ciliate.apiserver.names import path_segment_problems
from ciliate.apiserver.resources import ServedResource

_ADMISSION: Final = "admissionregistration.k8s.io"
_RBAC: Final = "rbac.authorization.k8s.io"
_STORAGE: Final = "storage.k8s.io"
_FLOW: Final = "flowcontrol.apiserver.k8s.io"

_NO_WEBHOOKS: Final = "the API server calls no webhooks"
_NO_VOLUMES: Final = "no volumes are provisioned, bound or mounted"
_NO_POLICIES: Final = "the API server evaluates no CEL"
_NO_FAIRNESS: Final = "requests are served as they come"


_ENDING: Final = ("Never", "OnFailure")

_CORE: Final = (
    StoredKind(
        *("", "LimitRange", "limitranges", "no limit is set or checked"),
        columns.CREATED_AT,
        short=("limits",),
        has_status=False,
    ),
    StoredKind(
        *("", "PersistentVolume", "persistentvolumes", _NO_VOLUMES),
        columns.PERSISTENT_VOLUME,
        short=("pv",),
        namespaced=False,
        defaults={
            "spec.persistentVolumeReclaimPolicy": "Retain",
            "spec.volumeMode": "Filesystem",
            "status.phase": "Pending",
        },
        required=("spec.accessModes", "spec.capacity"),
    ),
    StoredKind(
        *("", "PersistentVolumeClaim", "persistentvolumeclaims", _NO_VOLUMES),
        columns.PERSISTENT_VOLUME_CLAIM,
        short=("pvc",),
        defaults={"spec.volumeMode": "Filesystem", "status.phase": "Pending"},
        required=("spec.accessModes", "spec.resources"),
    ),
    StoredKind(
        *("", "PodTemplate", "podtemplates", "no controller makes pods of it"),
        columns.POD_TEMPLATE,
        has_status=False,
        template_in=".",
    ),
    StoredKind(
        *("", "ReplicationController", "replicationcontrollers"),
        "no controller makes its pods: use a Deployment",
        columns.REPLICATION_CONTROLLER,
        short=("rc",),
        categories=("all",),
        defaults={"spec.replicas": 1},
        required=("spec.template.spec.containers",),
        template_in="spec",
    ),
    StoredKind(
        *("", "ResourceQuota", "resourcequotas", "nothing is counted or refused"),
        columns.RESOURCE_QUOTA,
        short=("quota",),
    ),
)
_AUTOSCALER: Final = StoredKind(
    *("autoscaling", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
    "there are no metrics and no autoscaler: scale by kubectl scale",
    columns.HORIZONTAL_POD_AUTOSCALER,
    version="v2",
    short=("hpa",),
    categories=("all",),
    defaults={"spec.minReplicas": 1},
    required=("spec.scaleTargetRef", "spec.maxReplicas"),
)
_WORKLOADS: Final = (
    _AUTOSCALER,
    StoredKind(
        *("batch", "CronJob", "cronjobs", "no controller makes its jobs"),
        columns.CRON_JOB,
        short=("cj",),
        categories=("all",),
        defaults={
            "spec.concurrencyPolicy": "Allow",
            "spec.failedJobsHistoryLimit": 1,
            "spec.successfulJobsHistoryLimit": 3,
            "spec.suspend": False,
        },
        required=("spec.schedule", "spec.jobTemplate.spec.template.spec.containers"),
        one_of={"spec.jobTemplate.spec.template.spec.restartPolicy": _ENDING},
        template_in="spec.jobTemplate.spec",
    ),
    StoredKind(
        *("batch", "Job", "jobs", "no controller makes its pods"),
        columns.JOB,
        categories=("all",),
        defaults={
            "spec.backoffLimit": 6,
            "spec.completionMode": "NonIndexed",
            "spec.parallelism": 1,
            "spec.suspend": False,
        },
        required=("spec.template.spec.containers",),
        one_of={"spec.template.spec.restartPolicy": _ENDING},
        template_in="spec",
    ),
    StoredKind(
        *("policy", "PodDisruptionBudget", "poddisruptionbudgets"),
        "evictions are not held back",
        columns.POD_DISRUPTION_BUDGET,
        short=("pdb",),
    ),
    StoredKind(
        *("scheduling.k8s.io", "PriorityClass", "priorityclasses"),
        "every pod has priority 0 and none is preempted",
        columns.PRIORITY_CLASS,
        short=("pc",),
        namespaced=False,
        has_status=False,
        defaults={"preemptionPolicy": "PreemptLowerPriority", "value": 0},
    ),
    StoredKind(
        *("node.k8s.io", "RuntimeClass", "runtimeclasses", "every pod runs the same way"),
        columns.RUNTIME_CLASS,
        namespaced=False,
        has_status=False,
        required=("handler",),
    ),
)
_NETWORKING: Final = (
    StoredKind(
        *("networking.k8s.io", "Ingress", "ingresses", "no ingress controller runs"),
        columns.INGRESS,
        short=("ing",),
    ),
    StoredKind(
        *("networking.k8s.io", "IngressClass", "ingressclasses", "no ingress controller runs"),
        columns.INGRESS_CLASS,
        namespaced=False,
        has_status=False,
    ),
    StoredKind(
        *("networking.k8s.io", "IPAddress", "ipaddresses"),
        "addresses of Services are kept by the API server itself",
        columns.IP_ADDRESS,
        short=("ip",),
        namespaced=False,
        has_status=False,
    ),
)
_RIGHTS: Final = tuple(
    StoredKind(
        _RBAC,
        kind,
        f"{kind.lower()}s",
        "",
        columns.ROLE_BINDING if kind.endswith("Binding") else columns.CREATED_AT,
        namespaced=not kind.startswith("Cluster"),
        has_status=False,
        required=("roleRef.kind", "roleRef.name") if kind.endswith("Binding") else (),
        defaults={"roleRef.apiGroup": _RBAC} if kind.endswith("Binding") else {},
        name_problems=path_segment_problems,
    )
    for kind in ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")
)
_SERVER: Final = (
    *(
        StoredKind(
            *(_ADMISSION, kind, f"{kind.lower()}s", _NO_WEBHOOKS),
            columns.WEBHOOKS,
            namespaced=False,
            categories=("api-extensions",),
            has_status=False,
        )
        for kind in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
    ),
    StoredKind(
        *(_ADMISSION, "ValidatingAdmissionPolicy", "validatingadmissionpolicies", _NO_POLICIES),
        columns.ADMISSION_POLICY,
        namespaced=False,
        categories=("api-extensions",),
        defaults={"spec.failurePolicy": "Fail"},
    ),
    StoredKind(
        *(_ADMISSION, "ValidatingAdmissionPolicyBinding"),
        *("validatingadmissionpolicybindings", _NO_POLICIES),
        columns.ADMISSION_POLICY_BINDING,
        namespaced=False,
        categories=("api-extensions",),
        has_status=False,
    ),
    StoredKind(
        *("apiregistration.k8s.io", "APIService", "apiservices"),
        "the API server answers for no other server",
        columns.API_SERVICE,
        namespaced=False,
        categories=("api-extensions",),
    ),
    StoredKind(
        *("certificates.k8s.io", "CertificateSigningRequest", "certificatesigningrequests"),
        "nobody signs it",
        columns.CERTIFICATE_SIGNING_REQUEST,
        short=("csr",),
        namespaced=False,
        required=("spec.request", "spec.signerName"),
    ),
    StoredKind(
        *(_FLOW, "FlowSchema", "flowschemas", _NO_FAIRNESS),
        columns.FLOW_SCHEMA,
        namespaced=False,
    ),
    StoredKind(
        *(_FLOW, "PriorityLevelConfiguration", "prioritylevelconfigurations", _NO_FAIRNESS),
        columns.PRIORITY_LEVEL,
        namespaced=False,
    ),
)
_VOLUMES: Final = (
    StoredKind(
        *(_STORAGE, "CSIDriver", "csidrivers", _NO_VOLUMES),
        columns.CSI_DRIVER,
        namespaced=False,
        has_status=False,
        defaults={
            "spec.attachRequired": True,
            "spec.podInfoOnMount": False,
            "spec.storageCapacity": False,
            "spec.requiresRepublish": False,
            "spec.fsGroupPolicy": "ReadWriteOnceWithFSType",
        },
    ),
    StoredKind(
        *(_STORAGE, "CSINode", "csinodes", _NO_VOLUMES),
        columns.CSI_NODE,
        namespaced=False,
        has_status=False,
    ),
    StoredKind(
        *(_STORAGE, "CSIStorageCapacity", "csistoragecapacities", _NO_VOLUMES),
        columns.CSI_STORAGE_CAPACITY,
        has_status=False,
        required=("storageClassName",),
    ),
    StoredKind(
        *(_STORAGE, "StorageClass", "storageclasses", _NO_VOLUMES),
        columns.STORAGE_CLASS,
        short=("sc",),
        namespaced=False,
        has_status=False,
        defaults={"reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"},
        required=("provisioner",),
    ),
    StoredKind(
        *(_STORAGE, "VolumeAttachment", "volumeattachments", _NO_VOLUMES),
        columns.VOLUME_ATTACHMENT,
        namespaced=False,
        required=("spec.attacher", "spec.nodeName"),
    ),
)


def stored_kinds() -> list[ServedResource]:
    """Return every kind of the table."""
    kinds = (*_CORE, *_WORKLOADS, *_NETWORKING, *_RIGHTS, *_SERVER, *_VOLUMES)
    return [*(kind.resource() for kind in kinds), _former_autoscaler()]


def _former_autoscaler() -> ServedResource:
    former = replace(_AUTOSCALER, version="v1", type_name="HorizontalPodAutoscalerV1")
    return replace(
        former.resource(),
        is_storage=False,
        converts=True,
        from_stored=autoscalers.to_v1,
        to_stored=autoscalers.to_v2,
    )

"""Which CiliumEndpoints are garbage. Pure."""

from collections.abc import Mapping

from ciliate.api.resource import ObjectKey
from ciliate.cluster.views import EndpointPresence, PodPresence


def endpoints_without_pod(
    endpoints: Mapping[ObjectKey, EndpointPresence], pods: Mapping[ObjectKey, PodPresence]
) -> list[EndpointPresence]:
    """Return the endpoints whose pod, of the same namespace and name, is gone or has ended.

    The pods of finished jobs stay for long, their addresses do not.
    """
    found = []
    for key, endpoint in endpoints.items():
        pod = pods.get(key)
        if pod is None or pod.ended:
            found.append(endpoint)
    return found

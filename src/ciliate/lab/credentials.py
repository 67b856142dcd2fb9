"""A lab's certificates: its authority, the API server's, the administrator's, two kubeconfigs.

Apart from `control_plane`, which every process forked from the zygote carries: only `lab up` needs
the library for certificates.
"""

from ipaddress import IPv4Network
from typing import Final

from ciliate.apiserver import pki
from ciliate.lab import topology
from ciliate.lab.paths import LabPaths
from ciliate.lab.state import LabState

_ADMIN: Final = "kubernetes-admin"
_ADMIN_GROUP: Final = "system:masters"


def make_credentials(paths: LabPaths, state: LabState) -> None:
    """Make the authority, the server's certificate, the administrator's, and both kubeconfigs."""
    ca = pki.create_ca(paths.pki)
    node_ips = [
        str(address.ip)
        for address in topology.cluster_addresses(topology.node(0), dual_stack=True)
    ]
    service_ip = str(IPv4Network(topology.SERVICE_CIDR_V4)[1])
    names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"]
    server = pki.issue(
        ca,
        common_name="kube-apiserver",
        sans=[
            *names,
            f"kubernetes.default.svc.{topology.CLUSTER_DOMAIN}",
            "localhost",
            topology.CONTROL_PLANE,
            "127.0.0.1",
            service_ip,
            *node_ips,
        ],
        server=True,
    )
    server.write(paths.pki, "apiserver")
    admin = pki.issue(ca, common_name=_ADMIN, organizations=[_ADMIN_GROUP], server=False)
    for path, url in (
        (paths.kubeconfig, f"https://127.0.0.1:{state.api_port}"),
        (paths.machine_kubeconfig, topology.api_url()),
    ):
        text = pki.render_kubeconfig(
            server=url, ca=ca, client=admin, cluster=paths.name, user=_ADMIN
        )
        pki.write_private(path, text.encode())

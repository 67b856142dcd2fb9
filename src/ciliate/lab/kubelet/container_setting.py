"""What a container is started with: its variables, its program, what is around it."""

from collections.abc import Mapping

from msgspec import structs

from ciliate.lab.container.spec import ContainerMount
from ciliate.lab.kubelet.configuration import references_of
from ciliate.lab.kubelet.configuration_reader import read_configuration
from ciliate.lab.kubelet.container import ContainerSetting
from ciliate.lab.kubelet.container_streams import StreamsWanted
from ciliate.lab.kubelet.containment import container_spec, privileges_of
from ciliate.lab.kubelet.downward import PodFacts
from ciliate.lab.kubelet.environment import expand, variables_of
from ciliate.lab.kubelet.images import ContainerProgram, container_program
from ciliate.lab.kubelet.node import KubeletNode
from ciliate.lab.kubelet.node_status import capacity_of
from ciliate.lab.kubelet.pod_files import volume_mounts
from ciliate.lab.kubelet.pod_state import PodRecord
from ciliate.lab.kubelet.service_links import service_variables
from ciliate.lab.kubelet.termination_message import make_message_file
from ciliate.lab.objects import Container, Pod


async def read_variables(
    node: KubeletNode, pod: Pod, container: Container, ips: tuple[str, ...]
) -> dict[str, str]:
    """Return what the container's `env` and `envFrom` say now, and where Services are.

    Raises:
        ContainerConfigError: One comes from something that is not there.
        KubeError: The API server does not answer.
    """
    configuration = await read_configuration(
        node.client, pod.metadata.namespace, references_of(pod, container)
    )
    facts = PodFacts(pod=pod, node_ips=node.ips(), ips=ips, allocatable=capacity_of(node.identity))
    links = service_variables(node.services, pod)
    return variables_of(facts, container, configuration, links)


def program_of_container(container: Container, variables: Mapping[str, str]) -> ContainerProgram:
    """Return what the container runs.

    Raises:
        UnknownImageError: The lab has no program for its image.
    """
    return container_program(
        container.image,
        [expand(word, variables) for word in container.command],
        [expand(word, variables) for word in container.args],
    )


def setting_of(
    node: KubeletNode,
    record: PodRecord,
    pod: Pod,
    container: Container,
    environment: dict[str, str],
) -> ContainerSetting:
    """Return what the container's first process is to find around it; its volumes are made by now.

    Raises:
        ContainerConfigError: A field has a value that cannot be had.
    """
    assert record.sandbox is not None
    spec = container_spec(
        pod,
        container,
        paths=node.sandbox_paths(record, record.sandbox.netns_name),
        volumes=volume_mounts(pod, container, environment),
        image=node.lab_paths.image,
        stage=node.lab_paths.stage,
    )
    privileges = privileges_of(pod, container)
    message = node.message_file(record, container.name)
    make_message_file(message)
    target = container.termination_message_path
    # A privileged container's /dev is the machine's, which gets no files of ours.
    if not privileges.privileged and all(target != mount.target for mount in spec.mounts):
        last = ContainerMount(source=str(message), target=target)
        spec = structs.replace(spec, mounts=(*spec.mounts, last))
    return ContainerSetting(
        spec=spec,
        privileges=privileges,
        environment=environment,
        working_dir=container.working_dir,
        streams=StreamsWanted(
            stdin=container.stdin, stdin_once=container.stdin_once, tty=container.tty
        ),
    )

import pytest

from ciliate.lab.kubelet.errors import UnknownImageError
from ciliate.lab.kubelet.images import container_program, find_image, program_of, repository
from ciliate.lab.spawn import Entry


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("traefik/whoami", "traefik/whoami"),
        ("docker.io/traefik/whoami:v1.10", "docker.io/traefik/whoami"),
        ("localhost:5000/nginx", "localhost:5000/nginx"),
        ("quay.io/cilium/cilium:v1.17.6@sha256:abc", "quay.io/cilium/cilium"),
    ],
)
def test_repository_is_the_reference_without_tag_and_digest(reference: str, name: str) -> None:
    assert repository(reference) == name


@pytest.mark.parametrize(
    "reference",
    [
        "busybox",
        "docker.io/library/busybox:1.36",
        "registry.k8s.io/pause:3.10",
        "quay.io/cilium/operator-generic:v1.17.6",
    ],
)
def test_registry_and_tag_do_not_matter(reference: str) -> None:
    find_image(reference)


def test_unknown_image_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownImageError) as caught:
        find_image("example.com/secret/tool:1")

    assert "traefik/whoami" in str(caught.value)


def test_whoami_is_built_in_and_takes_arguments() -> None:
    program = container_program("traefik/whoami", (), ("--port", "8080"))

    assert program.entry is Entry.CALL
    assert program.argv == ("ciliate.lab.kubelet.whoami:run", "--port", "8080")


def test_command_replaces_entry_point_and_default_arguments() -> None:
    program = container_program("nicolaka/netshoot", ("tail",), ("-f", "/dev/null"))

    assert program.entry is Entry.EXEC
    assert program.argv == ("tail", "-f", "/dev/null")


def test_image_without_command_runs_its_default() -> None:
    assert container_program("nicolaka/netshoot").argv == ("sleep", "infinity")


@pytest.mark.parametrize(
    ("words", "argv"),
    [
        (("ciliate", "agent"), ("agent",)),
        (("cilium-agent", "--debug"), ("agent", "--debug")),
        (("/usr/bin/cilium-dbg", "status"), ("dbg", "status")),
        (("hubble", "observe", "-f"), ("hubble", "observe", "-f")),
        (("cilium", "status", "-o", "json"), ("dbg", "status", "-o", "json")),
    ],
)
def test_own_commands_run_without_exec(words: tuple[str, ...], argv: tuple[str, ...]) -> None:
    program = program_of(words)

    assert program.entry is Entry.CILIATE
    assert program.argv == argv

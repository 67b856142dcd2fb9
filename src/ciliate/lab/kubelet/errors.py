"""What goes wrong when a pod is made, run or removed."""

from ciliate.lab.errors import LabError


class KubeletError(LabError):
    """Anything the kubelet reports about a pod or its node."""


class PluginFailedError(KubeletError):
    """A CNI plugin answered with an error, or not at all (CNI 1.1, section 5, Error)."""

    def __init__(self, *, plugin: str, command: str, code: int, message: str) -> None:
        self.plugin = plugin
        self.command = command
        self.code = code
        super().__init__(f'plugin type="{plugin}" failed ({command.lower()}): {message}')

    @property
    def try_again_later(self) -> bool:
        """Whether the plugin asked for the same call later (CNI 1.1, error code 11)."""
        return self.code == 11


class NetworkNotReadyError(KubeletError):
    """The node has no usable CNI configuration yet."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(
            "container runtime network not ready: NetworkReady=false "
            f"reason:NetworkPluginNotReady message:Network plugin returns error: {problem}"
        )


class UnknownImageError(KubeletError):
    """An image the lab has no program for."""

    def __init__(self, image: str, known: tuple[str, ...]) -> None:
        self.image = image
        super().__init__(
            f"image {image!r} is not one the lab knows; it runs built-in programs in place of "
            f"images: use one of {', '.join(known)}"
        )


class ContainerConfigError(KubeletError):
    """A container asks for what it cannot have; the message names the field, or is kubelet's own."""


class ContainerNotFoundError(KubeletError):
    """A request names a pod or container that does not run on this node."""


class VolumeError(KubeletError):
    """A volume of a pod cannot be made: what it is to show is not there; kubelet's words."""

    def __init__(self, volume: str, problem: str) -> None:
        super().__init__(f'MountVolume.SetUp failed for volume "{volume}" : {problem}')


class HookFailedError(KubeletError):
    """A hook of a container failed; the message is for the log alone, as it may hold secrets."""

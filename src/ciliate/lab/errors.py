"""What can go wrong with a lab; each condition has its class, with its facts as attributes."""

from ciliate.errors import CiliateError


class LabError(CiliateError):
    """The root of the lab's exceptions."""


class KernelCallError(LabError):
    """A system call on a namespace, mount or control group was refused."""

    def __init__(self, *, action: str, target: str, error: OSError) -> None:
        self.action = action
        self.target = target
        self.errno = error.errno
        super().__init__(f"{action} {target}: {error.strerror or error}")


class SpawnError(LabError):
    """The zygote could not start a process; the message is the child's own."""

    def __init__(self, *, argv: list[str], problem: str, code: int = 126) -> None:
        self.argv = argv
        self.problem = problem
        self.code = code
        super().__init__(f"cannot start {' '.join(argv[:3])}: {problem}")


class ZygoteGoneError(LabError):
    """The zygote does not answer on its socket."""

    def __init__(self, *, path: str) -> None:
        self.path = path
        super().__init__(
            f"the lab's process starter does not answer on {path}: "
            "`ciliate lab down` and `ciliate lab up` make the lab anew"
        )

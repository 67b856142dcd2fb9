"""What can go wrong between us and the kernel's network, with the facts as attributes."""

import errno as errno_names
import os

from ciliate.errors import CiliateError

_REMEDIES = {
    errno_names.EPERM: "run the agent as root with CAP_NET_ADMIN and CAP_SYS_ADMIN",
    errno_names.EROFS: "mount the node's /proc writable and name it in procfs, or run privileged",
    errno_names.ENOBUFS: "raise net.core.rmem_max, or try again when the node is less busy",
    errno_names.EEXIST: "something else made it: remove it by hand",
    errno_names.EOPNOTSUPP: "the kernel lacks this feature",
    errno_names.EMFILE: "raise the agent's limit of open files",
}


class NetlinkError(CiliateError):
    """A request to the kernel failed.

    `step` says what was tried ("add route"), `subject` on which object, `errno` the kernel's
    answer, `detail` the kernel's own words where it gave some (extended acknowledgement).
    """

    def __init__(self, *, step: str, subject: str, errno: int, detail: str = "") -> None:
        self.step = step
        self.subject = subject
        self.errno = errno
        self.detail = detail
        name = errno_names.errorcode.get(errno, str(errno))
        words = detail or os.strerror(errno)
        remedy = _REMEDIES.get(errno)
        super().__init__(f"{step} {subject}: {words} ({name})" + (f": {remedy}" if remedy else ""))


class SysctlAbsentError(NetlinkError):
    """The kernel has no such setting: its device is gone, or it lacks the feature."""


class PodLinkMismatchError(CiliateError):
    """A pod's interface is not as it was made; `problem` says in what."""

    def __init__(self, *, host_name: str, netns: str, problem: str) -> None:
        self.host_name = host_name
        self.netns = netns
        self.problem = problem
        super().__init__(f"pod link {host_name} ({netns}): {problem}: recreate the pod")


class NoChainedLinkError(CiliateError):
    """Another plugin's interface of a pod was not found; `problem` in Cilium's words."""

    def __init__(self, problem: str, subject: str) -> None:
        self.problem = problem
        self.subject = subject
        super().__init__(
            f"{problem} ({subject}): the plugin before ciliate-cni must make a veth pair"
        )

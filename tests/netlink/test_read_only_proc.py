"""Pods' interfaces out of a container without privilege: /proc/sys read-only, few capabilities.

The container is a mount namespace in which /proc/sys is bound read-only, as container runtimes do,
and the node's /proc is mounted beside it, as Cilium's chart does; its capabilities are the chart's.
"""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.netlink.kernel import run

#: `securityContext.capabilities.ciliumAgent` of Cilium's chart.
_CAPABILITIES = "chown,kill,net_admin,net_raw,ipc_lock,sys_admin,sys_resource,dac_override,fowner,setgid,setuid"

_CONTAINER = """\
set -e
mount --make-rprivate /
mount --rbind /proc "$1"
mount --bind /proc/sys /proc/sys
mount -o remount,ro,bind /proc/sys
shift
exec setpriv --inh-caps=-all --bounding-set=-all,+{capabilities} -- "$@"
"""

_ATTACH = """\
import asyncio, sys
from tests.netlink.conftest import pod_link
from tests.netlink.kernel import load_program
from ciliate.netlink.pod import PodLinks
from ciliate.netlink.sysctl import use_procfs, write_problem

node, pod, procfs, ipv6 = sys.argv[1:]

async def main():
    use_procfs(procfs)
    print("problem:", write_problem())
    async with PodLinks(netns=node) as links:
        await links.create(pod_link(pod, 2, load_program(), ipv6=ipv6 == "True"))

asyncio.run(main())
"""


def attach(
    node: str, pod: str, *, host_proc: Path, procfs: str, ipv6: bool
) -> subprocess.CompletedProcess[str]:
    """Make a pod's interface inside the container, whose node's /proc is at `host_proc`."""
    capabilities = _CAPABILITIES.replace(",", ",+")
    script = _CONTAINER.format(capabilities=capabilities)
    words = ["unshare", "-m", "sh", "-c", script, "-", str(host_proc)]
    words += [sys.executable, "-c", _ATTACH, node, pod, procfs, str(ipv6)]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=30)


def setting(netns: str, name: str) -> str:
    return run("nsenter", f"--net={netns}", "sysctl", "-n", name).strip()


@pytest.mark.parametrize("ipv6", [False, True])
def test_pod_is_attached_by_the_nodes_own_procfs(
    node: str, pods: list[str], tmp_path: Path, *, ipv6: bool
) -> None:
    done = attach(node, pods[0], host_proc=tmp_path, procfs=str(tmp_path), ipv6=ipv6)

    assert done.returncode == 0, done.stderr
    assert done.stdout == "problem: \n"
    assert setting(pods[0], "net.ipv4.conf.eth0.accept_redirects") == "0"
    conf = "net.ipv6.conf.eth0."
    assert setting(pods[0], conf + "disable_ipv6") == ("0" if ipv6 else "1")
    if ipv6:
        assert setting(pods[0], conf + "accept_ra") == "0"


def test_read_only_proc_is_named_before_a_pod_meets_it(
    node: str, pods: list[str], tmp_path: Path
) -> None:
    done = attach(node, pods[0], host_proc=tmp_path, procfs="/proc", ipv6=False)

    assert done.stdout == "problem: /proc/sys/net/ipv4/conf/all/rp_filter: Read-only file system\n"
    assert "EROFS" in done.stderr
    assert "name it in procfs" in done.stderr

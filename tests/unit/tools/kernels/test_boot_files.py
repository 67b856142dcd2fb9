import pytest
from tools.kernels.boot_files import load_order
from tools.kernels.packages import PackageError

DEPENDENCIES = """\
kernel/fs/9p/9p.ko: kernel/fs/netfs/netfs.ko kernel/net/9p/9pnet.ko
kernel/fs/netfs/netfs.ko:
kernel/net/9p/9pnet.ko:
kernel/net/9p/9pnet_virtio.ko: kernel/net/9p/9pnet.ko kernel/drivers/virtio/virtio_ring.ko
kernel/drivers/virtio/virtio_ring.ko: kernel/drivers/virtio/virtio.ko
kernel/drivers/virtio/virtio.ko:
"""


def test_module_comes_behind_what_it_needs_and_once() -> None:
    order = load_order(DEPENDENCIES, "", ("9pnet_virtio", "9p"))

    assert [file.rpartition("/")[2] for file in order] == [
        "9pnet.ko",
        "virtio.ko",
        "virtio_ring.ko",
        "9pnet_virtio.ko",
        "netfs.ko",
        "9p.ko",
    ]


def test_what_is_built_in_needs_no_file() -> None:
    assert load_order(DEPENDENCIES, "kernel/fs/overlayfs/overlay.ko\n", ("overlay",)) == []


def test_missing_module_is_named() -> None:
    with pytest.raises(PackageError, match="no module overlay"):
        load_order(DEPENDENCIES, "", ("overlay",))

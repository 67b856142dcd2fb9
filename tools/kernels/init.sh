#!/bin/busybox sh
# The first process of a guest, in the initramfs: mounts the machine's root, read-only, with a layer
# in memory above it, and goes there. session.sh runs from then on.
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev

fail() {
	echo "guest: $*"
	poweroff -f
}

# Written by boot_files.py, in the order that they need each other.
while read -r module; do
	insmod "/modules/$module" || fail "insmod $module failed"
done </modules.list

# Given on the kernel's command line: checkout=PATH suite=WORDS with commas between them.
for word in $(cat /proc/cmdline); do
	case $word in checkout=* | modules=*) export "${word?}" ;; esac
done

mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=512000,cache=loose root /host ||
	fail "the machine's root cannot be mounted"
mount -t tmpfs -o size=75% tmpfs /layer
mkdir /layer/data /layer/work
mount -t overlay -o lowerdir=/host,upperdir=/layer/data,workdir=/layer/work overlay /root ||
	fail "there is no overlay file system"

mkdir -p "/root/lib/modules/$(uname -r)"
mount -o bind "/host$modules" "/root/lib/modules/$(uname -r)"
for folder in dev proc sys; do
	mount -o move /$folder /root/$folder
done
mount -t tmpfs tmpfs /root/run # Not /tmp: the checkout may be in there.
# Modules that the kernel asks for by itself; the machine need not have kmod.
mkdir /root/run/bin
cp /bin/busybox /root/run/bin/modprobe
echo /run/bin/modprobe >/root/proc/sys/kernel/modprobe
exec switch_root /root /bin/sh "$checkout/tools/kernels/session.sh"

#!/bin/sh
# A guest's only session: mounts what a node has, runs pytest on the words of the command line, says
# how it ended and switches the guest off.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
for word in $(cat /proc/cmdline); do
	case $word in
	checkout=*) checkout=${word#*=} ;;
	suite=*) suite=$(printf %s "${word#*=}" | tr , ' ') ;;
	esac
done

mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t bpf bpf /sys/fs/bpf
ip link set lo up
hostname guest

cd "$checkout" || exit
echo "guest: Linux $(uname -r)"
# What is written to .pyc files would only fill the layer.
PYTHONDONTWRITEBYTECODE=1 .venv/bin/python -m pytest -p no:cacheprovider -v --color=no \
	--tb=short $suite </dev/null 2>&1
echo "guest: exit $?"
sync
echo o >/proc/sysrq-trigger
sleep 10

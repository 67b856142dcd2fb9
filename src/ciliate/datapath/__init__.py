"""The adapter to the kernel's BPF subsystem: the only caller of libbpf and bpf(2)."""

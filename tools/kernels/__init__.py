"""Boot the kernels of Debian releases under qemu and run tests in them: `make kernels`.

The network is meant for kernels from 5.12 on, and a developer's machine has one. A guest has the
machine's own root, read-only, below a layer in memory, so that it runs this checkout with its
virtual environment; it has no network device and no disk, and nothing it does outlives it.

`packages` fetches kernels, `boot_files` makes of one what qemu boots, `guest` runs it, `init.sh` and
`session.sh` are its first process. The tests are those of tests/kernels, and more if named.
"""

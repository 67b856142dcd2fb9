"""The adapter to the kernel's network: rtnetlink, namespaces, /proc/sys/net.

Nobody else in Ciliate opens a netlink socket. The messages are packed here by hand: importing
pyroute2 costs an agent 12.8 MiB and 70 ms, and pod set-up needs packed batches anyway.
"""

"""The adapter to the kernel's network: rtnetlink, namespaces, /proc/sys/net.

Only this package opens netlink sockets. The messages are packed here by hand: importing
pyroute2 costs an agent 12.8 MiB and 70 ms, and pod set-up needs packed batches anyway.
"""

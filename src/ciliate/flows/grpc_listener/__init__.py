"""Where clients of other machines ask, by gRPC over TCP: flow servers and relays alike.

gRPC's library bounds neither connections nor what one client may have of a server, and reads
certificates once. So it listens at a Unix socket alone, and in front of that stands our own
listener: `front` accepts within bounds, speaks TLS (`tls_files`) and carries octets on; `shares` gives
each peer its part of the requests.
"""

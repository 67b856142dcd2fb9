"""SPDY/3.1 as kubectl speaks it for exec, attach and port-forward: the kubelet's side of it.

`frames` and `decode` are the wire format, `header_block` its name/value blocks, `connection` the
conversation: streams that the client opens. The draft is draft-mbelshe-httpbis-spdy-00, section 2.

There are no flow control windows: no client of Kubernetes has any. Its library sends no
WINDOW_UPDATE and ignores those it gets, so a window would end every stream after 64 KiB. Who is
slow holds up its whole connection instead, by TCP, as with a real kubelet. Priorities, server push,
settings and credentials are not used either.
"""

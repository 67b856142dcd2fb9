"""A frame as the plugin sends it: the plugin's half of the conversation, for tests of ours."""

from ciliate.cni.frame import LENGTH, MAGIC, Frame


def render_frame(frame: Frame) -> bytes:
    """Return `frame` in octets."""
    pairs = (f"{name}={value}" for name, value in frame.environment.items())
    environment = b"".join(pair.encode(errors="surrogateescape") + b"\0" for pair in pairs)
    return b"".join(
        (
            MAGIC,
            LENGTH.pack(len(environment)),
            environment,
            LENGTH.pack(len(frame.stdin)),
            frame.stdin,
        )
    )

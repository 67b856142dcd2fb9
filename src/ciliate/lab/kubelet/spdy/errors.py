"""What a SPDY client can do wrong; it costs its own connection, nothing else."""

from ciliate.errors import CiliateError


class SpdyError(CiliateError):
    """What came is not SPDY/3.1, or more of it than a connection may have."""

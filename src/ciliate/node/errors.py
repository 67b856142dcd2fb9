"""What can go wrong with endpoints."""

from ciliate.errors import CiliateError


class EndpointStateError(CiliateError):
    """An endpoint's file could not be read or written."""


class EndpointIdsExhaustedError(CiliateError):
    """All numbers for endpoints of this node are in use."""

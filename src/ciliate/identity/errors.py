"""What can go wrong with identities."""

from ciliate.errors import CiliateError


class IdentityExhaustedError(CiliateError):
    """No free number was found for a set of labels."""

    def __init__(self, labels: str, tried: int) -> None:
        self.labels = labels
        self.tried = tried
        super().__init__(
            f"no identity is free for labels {labels} after {tried} candidates: the cluster has"
            " too many distinct label sets; exclude labels that differ by pod"
        )

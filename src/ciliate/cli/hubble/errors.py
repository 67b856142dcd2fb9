"""What goes wrong between `hubble` and its user, or between it and its server."""

from ciliate.errors import CiliateError


class HubbleError(CiliateError):
    """A command of `hubble` cannot do what it was asked for."""


class FlagError(HubbleError):
    """A flag has a value that cannot be read."""

    def __init__(self, *, flag: str, value: str, problem: str) -> None:
        self.flag = flag
        self.value = value
        super().__init__(f"--{flag}: {value!r} {problem}")


class FlagConflictError(HubbleError):
    """Two flags contradict each other."""

    def __init__(self, first: str, second: str, why: str = "") -> None:
        self.flags = (first, second)
        super().__init__(
            f"--{first} and --{second} cannot be used together" + (f": {why}" if why else "")
        )


class ServerUnreachableError(HubbleError):
    """Nothing answers at the address."""

    def __init__(self, *, address: str, problem: str, remedy: str) -> None:
        self.address = address
        super().__init__(f"failed to connect to {address}: {problem}: {remedy}")


class CallFailedError(HubbleError):
    """The server answered with an error.

    `code` is the gRPC code in the words of its specification, such as "Unimplemented". A server's own
    refusal has the code Unknown and speaks for itself.
    """

    def __init__(self, *, code: str, details: str) -> None:
        self.code = code
        self.details = details
        known = code != "Unknown"
        super().__init__(f"rpc error: code = {code} desc = {details}" if known else details)

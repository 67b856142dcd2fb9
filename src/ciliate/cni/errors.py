"""Errors as CNI knows them: a number, a sentence, details (CNI 1.1.0, "Error")."""

from enum import IntEnum

from ciliate.errors import CiliateError


class CniCode(IntEnum):
    """Error numbers: 1 to 99 the specification's, above ours (Cilium's where it has one)."""

    INCOMPATIBLE_VERSION = 1
    UNSUPPORTED_FIELD = 2
    UNKNOWN_CONTAINER = 3
    INVALID_ENVIRONMENT = 4
    IO_FAILURE = 5
    DECODE_FAILURE = 6
    INVALID_CONFIG = 7
    TRY_AGAIN_LATER = 11
    PLUGIN_NOT_AVAILABLE = 50
    LIMITED_CONNECTIVITY = 51
    HEALTHZ_FAILED = 100
    UNHEALTHY = 101
    INTERNAL = 999


class CniError(CiliateError):
    """A failed CNI operation; `code` tells the runtime how to react."""

    def __init__(self, code: int, msg: str, details: str = "") -> None:
        self.code = code
        self.msg = msg
        self.details = details
        super().__init__(f"{msg} (CNI error {code})" + (f": {details}" if details else ""))

"""The root of every exception that Ciliate raises on purpose.

Adapters turn foreign exceptions (`OSError`, HTTP, netlink) into one of these with `raise ... from`.
`main` turns a `CiliateError` into one line on standard error and exit code 1; everything else is a
bug and shows its traceback.
"""


class CiliateError(Exception):
    """Something an operator can act on; the message names object, numbers and remedy."""


class SettingError(CiliateError):
    """A setting that cannot be used: names the key, the value and the remedy."""

    def __init__(self, *, key: str, value: str, problem: str, remedy: str) -> None:
        self.key = key
        self.value = value
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{key}: {value!r} {problem}: {remedy}")

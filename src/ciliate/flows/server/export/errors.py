"""Why a flow log is refused, with the facts as attributes. Pure."""

from ciliate.errors import CiliateError


class FlowLogError(CiliateError):
    """An entry of a list of flow logs cannot be used; the others can."""

    def __init__(self, log: str, problem: str) -> None:
        self.log = log
        self.problem = problem
        super().__init__(f"{log}: {problem}")


class EntryError(CiliateError):
    """A field of an entry cannot be used."""

    def __init__(self, field: str, problem: str) -> None:
        self.field = field
        self.problem = problem
        super().__init__(f"{field}: {problem}")


class LogListError(CiliateError):
    """A list of flow logs cannot be read; what was in force stays."""


class LogPathTakenError(FlowLogError):
    """Two flow logs name one file."""

    def __init__(self, log: str, *, path: str, holder: str) -> None:
        self.path = path
        self.holder = holder
        super().__init__(log, f"filePath: {path} is written by {holder}: name another file")

"""Why a MasqueradePolicy is refused."""

from ciliate.errors import CiliateError


class PolicyError(CiliateError):
    """An object is refused as a whole; `path` is the field, `value` what stands there."""

    #: The reason of the object's condition.
    reason = "Invalid"
    #: Whether what the object said before stays in force, where it is known.
    keeps_former = True

    def __init__(self, name: str, *, path: str, value: object, problem: str, remedy: str) -> None:
        self.name = name
        self.path = path
        self.value = value
        self.problem = problem
        self.remedy = remedy
        self.said = f"{path}: {_shown(value)}{problem}: {remedy}"
        super().__init__(f"MasqueradePolicy {name}: {self.said}")


class TooManyRulesError(PolicyError):
    """The object's rules do not fit any more behind those that come before them."""

    reason = "TooManyRules"
    keeps_former = False


#: A longer value is cut: a condition's message has at most 32,768 characters.
_SHOWN_MAX = 80


def _shown(value: object) -> str:
    if value is None:
        return ""
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return f"{text if len(text) <= _SHOWN_MAX else f'{text[:_SHOWN_MAX]}…'} "

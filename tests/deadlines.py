"""How long a wait may take on this machine at this moment.

A deadline is what something takes on an idle machine, with room to spare. Where more processes want
a processor than there are processors, each gets so much less of one, and the wait is so much longer:
a deadline that passes then says nothing about the product.
"""

import os
import time
from dataclasses import dataclass, field
from typing import Final

#: However busy the machine is: what takes so many times as long will not come.
_STRETCH_MAX: Final = 20.0


def stretch() -> float:
    """How many times as long as on an idle machine work takes now, by the last minute's load."""
    share = os.getloadavg()[0] / (os.cpu_count() or 1)
    return min(max(share, 1.0), _STRETCH_MAX)


@dataclass(slots=True)
class Deadline:
    """Passes `within_s` seconds from now, on a busy machine so much later."""

    within_s: float
    _began_s: float = field(default_factory=time.monotonic)

    @property
    def passed(self) -> bool:
        """Whether it has passed, by the load of this moment."""
        waited_s = time.monotonic() - self._began_s
        return waited_s > self.within_s and waited_s > self.within_s * stretch()

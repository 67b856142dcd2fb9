"""The kubectl that set-up brought (`tools/setup.sh`), for a machine that has none or an old one.

It lies beside our own command in the virtual environment. Whether it is needed is asked whenever a
lab is made: the machine's own may have come, gone or grown since. set-up asks the same question.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from ciliate.lab.paths import ROOT

#: Older ones lack what documents and examples type; labs speak 1.33.
MINOR_MIN: Final = 29

_BUNDLED: Final = Path(sys.prefix) / "bin/kubectl"
#: It asks no server; a machine under load may take its time to start it.
_ANSWER_S: Final = 10.0


def bundled_kubectl(path: str, *, bundled: Path = _BUNDLED) -> Path | None:
    """Return the kubectl to put before a PATH; None where it has one that is new enough.

    Also None where set-up brought none. Our own folders on the PATH do not count.
    """
    if not os.access(bundled, os.X_OK):
        return None
    ours = (ROOT, bundled.parent.parent)
    entries = [
        entry
        for entry in path.split(":")
        if entry and not any(Path(entry).is_relative_to(folder) for folder in ours)
    ]
    found = shutil.which("kubectl", path=":".join(entries)) if entries else None
    return bundled if found is None or _minor(found) < MINOR_MIN else None


def _minor(kubectl: str) -> int:
    """Return the N of a kubectl's version 1.N; 0: it does not tell."""
    command = [kubectl, "version", "--client", "-o", "json"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=_ANSWER_S
        )
        said = json.loads(done.stdout)["clientVersion"]["minor"]
    except (OSError, ValueError, LookupError, TypeError, subprocess.SubprocessError):
        return 0
    digits = re.match(r"\d+", said)
    return int(digits[0]) if digits else 0

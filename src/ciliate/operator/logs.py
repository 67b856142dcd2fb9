"""The operator's log: one line of `key=value` an event on standard error (logfmt, as Cilium's)."""

import logging
import sys
from datetime import UTC, datetime


class LogfmtFormatter(logging.Formatter):
    """Renders time, level, message and origin; a traceback follows on lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        time = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        line = (
            f"time={time} level={record.levelname.lower()} "
            f"msg={_quoted(record.getMessage())} subsys={record.name.removeprefix('ciliate.')}"
        )
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def log_to_stderr(*, debug: bool) -> None:
    """Send this process's log there."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LogfmtFormatter())
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    if debug:
        logging.getLogger("ciliate").setLevel(logging.DEBUG)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'

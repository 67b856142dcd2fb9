"""What the agent does or waits for, as one line that `dbg status` shows while it starts."""

import logging
from datetime import UTC, datetime

_log = logging.getLogger(__name__)


class Progress:
    """What the agent is doing or waiting for; empty once it is ready."""

    def __init__(self) -> None:
        self.text = "starting"
        self.since = datetime.now(UTC)  # When it began to be that.

    def say(self, text: str) -> None:
        """Note and log what is waited for; the same text is logged once."""
        if text != self.text:
            self.text = text
            self.since = datetime.now(UTC)
            _log.info("%s", text)

    def done(self) -> None:
        """The agent is ready."""
        self.text = ""

"""Files of others: read, or refused at once."""

import errno
import os
from pathlib import Path

import pytest

from ciliate.system.regular_file import read_regular


def test_file_is_read_as_far_as_asked(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    (tmp_path / "link").symlink_to("file")

    assert read_regular(tmp_path / "file", 4) == b"0123"
    assert read_regular(str(tmp_path / "link"), 100) == b"0123456789"


@pytest.mark.timeout(5)
def test_pipe_that_nobody_writes_to_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(OSError, match="is no regular file") as caught:
        read_regular(tmp_path / "pipe", 100)

    assert caught.value.errno == errno.EINVAL


def test_what_has_no_end_is_refused() -> None:
    with pytest.raises(OSError, match="is no regular file"):
        read_regular("/dev/zero", 100)

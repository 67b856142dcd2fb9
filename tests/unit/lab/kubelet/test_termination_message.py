from pathlib import Path

from ciliate.lab.kubelet.logs import ContainerLog
from ciliate.lab.kubelet.termination_message import make_message_file, read_message


def log_of(path: Path, text: bytes) -> Path:
    log = ContainerLog(path)
    log.write(text)
    log.close()
    return path


def test_what_was_written_comes_before_the_log(tmp_path: Path) -> None:
    message = tmp_path / "messages" / "u_c"
    log = log_of(tmp_path / "0.log", b"one\ntwo\n")

    make_message_file(message)
    assert read_message(message, None) == ""
    assert read_message(message, log) == "one\ntwo\n"
    message.write_text("written")
    assert read_message(message, log) == "written"
    make_message_file(message)
    assert read_message(message, None) == ""


def test_last_words_are_the_end_of_a_long_log_and_bounded(tmp_path: Path) -> None:
    lines = log_of(tmp_path / "lines.log", b"".join(b"%d\n" % n for n in range(200)))
    wide = log_of(tmp_path / "wide.log", b"x" * 5000 + b"\nend\n")
    message = tmp_path / "m"
    message.write_text("y" * 9000)

    assert read_message(tmp_path / "none", lines).split() == [str(n) for n in range(120, 200)]
    assert len(read_message(tmp_path / "none", wide)) == 2048
    assert read_message(tmp_path / "none", wide).endswith("x\nend\n")
    assert len(read_message(message, None)) == 4096

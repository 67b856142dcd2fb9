"""tools/generate_layout.py."""

from pathlib import Path

import pytest
from tests.unit.tools.btf_writer import BtfWriter
from tools.generate_layout import (
    DROP_TEXT,
    ENUMS,
    UnsupportedLayoutError,
    render,
    render_defaults,
    render_identities,
)


class Abi(BtfWriter):
    """A small abi.h: every enum the generator asks for, and the integers."""

    def __init__(self, *, without: str = "", reasons: tuple[str, ...] = ("FORWARDED",)) -> None:
        super().__init__()
        self.u8 = self.typedef("__u8", self.integer("unsigned char", 1))
        self.u16 = self.typedef("__u16", self.integer("unsigned short", 2))
        self.u32 = self.typedef("__u32", self.integer("unsigned int", 4))
        self.be16 = self.typedef("__be16", self.u16)
        for name in ENUMS:
            if name == "drop_reason":
                self.enum(name, **{reason: n for n, reason in enumerate(reasons)})
            elif name != without:
                self.enum(name, A=0)

    def number(self, value: int) -> int:
        """What `__uint(…, value)` declares."""
        return self.pointer(self.array(self.u32, value))

    def map(self, name: str, key: int, value: int, *, flags: int | None = None) -> None:
        members = [
            ("type", self.number(1), 0),
            ("max_entries", self.number(99), 8),
            ("key", self.pointer(key), 16),
            ("value", self.pointer(value), 24),
        ]
        if flags is not None:
            members.append(("map_flags", self.number(flags), 32))
        self.section(".maps", [(name, self.record("", 40, members), 0)])


def rendered(tmp_path: Path, abi: Abi) -> str:
    path = tmp_path / "abi.o"
    path.write_bytes(abi.elf())
    return render([path])


def test_byte_order_padding_and_sizes_come_from_the_c_types(tmp_path: Path) -> None:
    abi = Abi()
    key = abi.record(
        "flow_key",
        12,
        [
            ("port", abi.be16, 0),
            ("mac", abi.array(abi.u8, 6), 2),
            ("protocol", abi.u8, 8),
            ("pad", abi.array(abi.u8, 3), 9),
        ],
    )
    abi.map("flows", key, abi.u32, flags=1)

    text = rendered(tmp_path, abi)

    assert 'struct.Struct("=H6sB3x")' in text
    assert "htons(self.port)" in text
    assert "mac: Octets" in text
    assert "pad: " not in text
    assert '"flows": MapShape(MapKind.HASH, 12, 4, 99, 0x1)' in text
    compile(text, "layout.py", "exec")


def test_the_same_input_gives_the_same_text(tmp_path: Path) -> None:
    assert rendered(tmp_path, Abi()) == rendered(tmp_path, Abi())


@pytest.mark.parametrize(
    ("size", "offset", "complaint"),
    [(8, 4, "hole before b"), (8, 2, "4 bytes at its end")],
)
def test_padding_that_has_no_name_is_refused(
    tmp_path: Path, size: int, offset: int, complaint: str
) -> None:
    abi = Abi()
    record = abi.record("holed", size, [("a", abi.u16, 0), ("b", abi.u16, offset)])
    abi.map("things", abi.u32, record)
    with pytest.raises(UnsupportedLayoutError, match=complaint):
        rendered(tmp_path, abi)


def test_a_type_without_a_python_form_is_refused(tmp_path: Path) -> None:
    abi = Abi()
    record = abi.record("odd", 8, [("next", abi.pointer(abi.u8), 0)])
    abi.map("things", abi.u32, record)
    with pytest.raises(UnsupportedLayoutError, match="next: PTR"):
        rendered(tmp_path, abi)


def test_an_enum_that_the_compiler_dropped_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedLayoutError, match="enum ipcache_flag is in no object"):
        rendered(tmp_path, Abi(without="ipcache_flag"))


def test_a_reason_without_words_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedLayoutError, match="DROP_NEW has no wording"):
        rendered(tmp_path, Abi(reasons=("FORWARDED", "DROP_NEW")))


def test_no_two_reasons_have_the_same_words() -> None:
    assert len(set(DROP_TEXT.values())) == len(DROP_TEXT)


def test_flags_are_sets_and_other_enums_are_not(tmp_path: Path) -> None:
    text = rendered(tmp_path, Abi())
    assert "class EndpointFlag(IntFlag):" in text
    assert "class DropReason(IntEnum):" in text


def test_defaults_are_those_of_the_enum_and_of_the_maps(tmp_path: Path) -> None:
    abi = Abi()
    abi.enum("snat_port", SNAT_PORT_MIN=40000, SNAT_PORT_MAX=50000)
    abi.enum("node_port", NODE_PORT_MIN=30000, NODE_PORT_MAX=32767)
    abi.enum("maglev_default", MAGLEV_CELLS_DEFAULT=251)
    abi.map("flows", abi.u32, abi.u32)
    path = tmp_path / "abi.o"
    path.write_bytes(abi.elf())

    text = render_defaults([path])

    assert "SNAT_PORT_MIN: Final = 40000\nSNAT_PORT_MAX: Final = 50000\n" in text
    assert '    "flows": 99,\n' in text
    compile(text, "datapath_defaults.py", "exec")


def test_an_identitys_name_is_that_of_its_label(tmp_path: Path) -> None:
    abi = Abi()
    abi.enum("reserved_identity", IDENTITY_WORLD=2, IDENTITY_REMOTE_NODE=6)
    path = tmp_path / "abi.o"
    path.write_bytes(abi.elf())

    text = render_identities([path])

    assert "class ReservedIdentity(IntEnum):" in text
    assert "    WORLD = 2\n    REMOTE_NODE = 6\n" in text
    compile(text, "identity.py", "exec")

"""Keys and values as octets are what the layouts of the maps say."""

from hypothesis import given
from hypothesis import strategies as st

from ciliate.datapath import layout
from ciliate.services.map_keys import (
    MapKey,
    ServiceMap,
    affinity_key,
    frontend_key,
    inside_key,
    key_of,
    maglev_key,
    map_of,
    octets_of,
    outside_key,
    read_frontend_key,
    read_numbers,
    read_service,
    read_source_range,
    service_key,
    slot_key,
    source_range_key,
    unknown_port_key,
)

U32 = st.integers(0, 2**32 - 1)
U16 = st.integers(0, 2**16 - 1)
ADDRESS = st.binary(min_size=16, max_size=16)


def told(key: MapKey) -> tuple[ServiceMap, bytes]:
    assert key_of(map_of(key), octets_of(key)) == key
    return map_of(key), octets_of(key)


@given(U32, U32)
def test_keys_of_two_numbers(one: int, other: int) -> None:
    slot, affinity, maglev = slot_key(one, other), affinity_key(one, other), maglev_key(one, other)

    assert told(slot) == (ServiceMap.SLOTS, layout.ServiceSlotKey(one, other).pack())
    assert told(affinity) == (
        ServiceMap.AFFINITY_SLOTS,
        layout.AffinitySlotKey(one, other).pack(),
    )
    assert told(maglev) == (ServiceMap.MAGLEV_TABLES, layout.MaglevKey(one, other).pack())
    assert len({slot, affinity, maglev}) == 3
    assert read_numbers(slot) == read_numbers(affinity) == read_numbers(maglev) == (one, other)


@given(U32)
def test_key_of_a_set(number: int) -> None:
    key = service_key(number)

    assert map_of(key) is ServiceMap.SERVICES
    assert read_service(key) == number


@given(U32, st.integers(0, 128), ADDRESS)
def test_key_of_a_range(number: int, bits: int, address: bytes) -> None:
    key = source_range_key(number, bits, address)

    packed = layout.SourceRangeKey(32 + bits, number, address).pack()
    assert told(key) == (ServiceMap.SOURCE_RANGES, packed)
    assert read_source_range(key) == (number, bits, address)


@given(ADDRESS, U16, st.sampled_from((6, 17)))
def test_key_of_a_frontend(address: bytes, port: int, protocol: int) -> None:
    key = frontend_key(address, port, protocol)
    outside = layout.FrontendKey(address, port, protocol, layout.FrontendScope.SCOPE_OUTSIDE)
    inside = outside._replace(scope=layout.FrontendScope.SCOPE_INSIDE)

    assert told(key) == (ServiceMap.FRONTENDS, outside.pack())
    assert read_frontend_key(inside_key(key)) == inside
    assert outside_key(inside_key(key)) == key
    assert read_frontend_key(unknown_port_key(address)) == layout.FrontendKey(address, 0, 0, 0)

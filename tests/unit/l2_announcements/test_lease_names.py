"""src/ciliate/l2_announcements/lease_names.py: the Lease by which nodes agree."""

from ciliate.l2_announcements.lease_names import lease_names


def test_name_is_ciliums() -> None:
    assert lease_names([("default", "web")]) == {
        ("default", "web"): "cilium-l2announce-default-web"
    }


def test_two_services_never_share_a_lease() -> None:
    keys = [("a-b", "c"), ("a", "b-c"), ("a", "other")]

    found = lease_names(keys)

    assert len(set(found.values())) == 3
    assert found["a", "other"] == "cilium-l2announce-a-other"
    assert lease_names(reversed(keys)) == found


def test_long_names_are_bounded_and_stay_apart() -> None:
    found = lease_names([("n" * 200, "s" * 200), ("n" * 200, "s" * 199)])

    assert len(set(found.values())) == 2
    assert max(map(len, found.values())) <= 253

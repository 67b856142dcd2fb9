"""`flows/server/export/families.py`: names and kinds are those that collectors of Hubble know."""

from ciliate.flows.server.export.counts import Counts
from ciliate.flows.server.export.families import ListState, list_families, log_families
from ciliate.metrics.family import FamilyKind


def test_families_of_lists_are_named_as_hubbles() -> None:
    state = ListState(hash=7, applied_s=2.5, added=2, updated=1, is_up={"a": True, "b": False})

    found = {family.name: family for family in list_families(state)}

    prefix = "hubble_dynamic_exporter_"
    assert {name.removeprefix(prefix): list(each.samples) for name, each in found.items()} == {
        "exporters_total": [(("active",), 1), (("inactive",), 1)],
        "up": [(("a",), 1.0), (("b",), 0.0)],
        "reconfigurations_total": [(("add",), 2), (("remove",), 0), (("update",), 1)],
        "config_hash": [((), 7)],
        "config_last_applied": [((), 2.5)],
    }
    assert found[f"{prefix}reconfigurations_total"].kind is FamilyKind.COUNTER
    assert found[f"{prefix}exporters_total"].kind is FamilyKind.GAUGE


def test_each_flow_log_is_counted_by_its_path() -> None:
    found = log_families({"/b": Counts(flows=3), "/a": Counts(lost=1, failures=2)})

    assert {family.name: list(family.samples) for family in found} == {
        "ciliate_flow_log_flows_total": [(("/a",), 0), (("/b",), 3)],
        "ciliate_flow_log_lost_total": [(("/a",), 1), (("/b",), 0)],
        "ciliate_flow_log_failures_total": [(("/a",), 2), (("/b",), 0)],
    }

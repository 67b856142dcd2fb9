from pathlib import Path

from ciliate.lab.kubelet.pod_state import ContainerRecord, PodRecord, PodStore, SandboxRecord


def record() -> PodRecord:
    return PodRecord(
        uid="u1",
        namespace="default",
        name="p",
        sandbox=SandboxRecord("c1", "cni-1", "{}", result={"ips": []}, ips=["10.0.0.2"]),
        containers={"a": ContainerRecord("a", pid=5, start_ticks=9)},
    )


def test_saved_record_is_loaded_by_the_next_kubelet(tmp_path: Path) -> None:
    PodStore(tmp_path / "pods").save(record())

    assert PodStore(tmp_path / "pods").load() == [record()]


def test_removed_record_stays_removed(tmp_path: Path) -> None:
    store = PodStore(tmp_path)
    store.save(record())

    store.remove(record())
    store.remove(record())

    assert store.load() == []


def test_broken_record_does_not_hide_the_others(tmp_path: Path) -> None:
    store = PodStore(tmp_path)
    store.save(record())
    (tmp_path / "broken.json").write_text('{"uid": 1')
    (tmp_path / "u2.json.new").write_text("half of a write")

    assert [found.uid for found in store.load()] == ["u1"]


def test_the_longest_names_make_folders_of_their_own_that_a_file_system_takes(
    tmp_path: Path,
) -> None:
    namespace, uid = "n" * 63, "0" * 36
    names = [PodRecord("u", namespace, "p" * 252 + last).folder_name for last in "ab"]

    assert names[0] != names[1]
    for name in names:
        (tmp_path / f"{name}_{uid}").mkdir()
    assert PodRecord("u", "default", "web-0").folder_name == "default_web-0"

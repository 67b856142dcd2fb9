import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from ciliate.kube.credentials import Token, detect, from_kubeconfig, in_cluster
from ciliate.kube.errors import KubeconfigError


def kubeconfig(
    *, user: dict[str, Any] | None = None, server: str = "http://192.0.2.1:8080/", **cluster: str
) -> dict[str, Any]:
    fields = {name.replace("_", "-"): value for name, value in cluster.items()}
    return {
        "current-context": "lab",
        "contexts": [{"name": "lab", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": server, **fields}}],
        "users": [{"name": "u", "user": user or {}}],
    }


def write(folder: Path, config: dict[str, Any]) -> Path:
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path


def test_the_current_context_names_the_server(tmp_path: Path) -> None:
    assert from_kubeconfig(write(tmp_path, kubeconfig())).server == "http://192.0.2.1:8080"


def test_a_kubeconfig_in_json_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_bytes(msgspec.json.encode(kubeconfig()))

    assert from_kubeconfig(path).server == "http://192.0.2.1:8080"


@pytest.mark.parametrize(
    "form", [yaml.safe_dump, lambda config: msgspec.json.encode(config).decode()]
)
def test_a_kubeconfig_without_users_says_null(
    tmp_path: Path, form: Callable[[dict[str, Any]], str]
) -> None:
    """As `kubectl config` writes it for a server that asks nobody who he is."""
    config = kubeconfig() | {"users": None, "preferences": None}
    config["contexts"][0]["context"]["user"] = None
    path = tmp_path / "kubeconfig"
    path.write_text(form(config))

    assert from_kubeconfig(path).server == "http://192.0.2.1:8080"


async def test_a_token_is_sent(tmp_path: Path) -> None:
    found = from_kubeconfig(write(tmp_path, kubeconfig(user={"token": "s3cret"})))

    assert await found.token.header() == {"Authorization": "Bearer s3cret"}
    assert "s3cret" not in repr(found)


async def test_a_token_file_is_found_beside_the_kubeconfig(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    found = from_kubeconfig(write(tmp_path, kubeconfig(user={"tokenFile": "token"})))

    assert await found.token.header() == {"Authorization": "Bearer s3cret"}


async def test_a_renewed_token_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("old")
    token = Token(path=path)
    await token.header()
    path.write_text("new")

    token.read_at -= 61

    assert await token.header() == {"Authorization": "Bearer new"}


async def test_token_that_is_refused_is_read_again_for_the_next_request(tmp_path: Path) -> None:
    """The kubelet may have renewed it just now; a role that lacks a verb (403) is no reason."""
    path = tmp_path / "token"
    path.write_text("old")
    token = Token(path=path)
    await token.header()
    path.write_text("new")

    token.refused(403)
    assert await token.header() == {"Authorization": "Bearer old"}
    token.refused(401)
    assert await token.header() == {"Authorization": "Bearer new"}


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"current-context": "gone"}, "no context 'gone'; it has: none"),
        (kubeconfig(server="ftp://x"), "server 'ftp://x' is not an http"),
        (kubeconfig(user={"exec": {"command": "aws"}}), "signs in by exec"),
        (kubeconfig(user={"username": "root"}), "signs in by username"),
        (kubeconfig() | {"clusters": 5}, "not a kubeconfig"),
        (kubeconfig() | {"clusters": []}, "no cluster 'c'"),
        (
            kubeconfig(server="https://x", certificate_authority="gone.crt"),
            "cannot read .*gone.crt",
        ),
        (
            kubeconfig(server="https://x", certificate_authority_data="%%%"),
            "inline data",
        ),
        (
            kubeconfig(
                server="https://x",
                certificate_authority_data=base64.b64encode(b"no PEM").decode(),
            ),
            "CA certificate",
        ),
        (
            kubeconfig(
                server="https://x",
                user={"client-certificate-data": base64.b64encode(b"no PEM").decode()},
            ),
            "client certificate",
        ),
    ],
)
def test_an_unusable_file_says_why(tmp_path: Path, config: dict[str, Any], problem: str) -> None:
    path = write(tmp_path, config)

    with pytest.raises(KubeconfigError, match=problem) as caught:
        from_kubeconfig(path)

    assert caught.value.path == str(path)


def test_text_that_is_no_yaml_says_so(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text("a: [")

    with pytest.raises(KubeconfigError, match="not YAML"):
        from_kubeconfig(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigError, match=r"cannot read .*/nowhere"):
        from_kubeconfig(tmp_path / "nowhere")


def test_outside_a_pod_there_are_no_credentials_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)

    with pytest.raises(KubeconfigError, match="this is no pod"):
        in_cluster()


def test_a_named_file_comes_before_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "other"))

    assert detect(str(write(tmp_path, kubeconfig()))).server == "http://192.0.2.1:8080"


def test_the_environment_names_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(write(tmp_path, kubeconfig())))

    assert detect().server == "http://192.0.2.1:8080"

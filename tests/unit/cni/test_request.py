"""Requests: what is taken, what is refused, and under which CNI error number."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciliate.cni.errors import CniCode, CniError
from ciliate.cni.request import (
    Add,
    Attachment,
    Check,
    Del,
    Gc,
    PodReference,
    Status,
    VersionQuery,
    parse_request,
    requested_version,
)
from ciliate.cni.version import SUPPORTED_VERSIONS

_ENVIRONMENT = {
    "CNI_COMMAND": "ADD",
    "CNI_CONTAINERID": "0f3a-b_c.d",
    "CNI_NETNS": "/run/netns/pod",
    "CNI_IFNAME": "eth0",
    "CNI_ARGS": "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web;K8S_POD_UID=u-1",
    "CNI_PATH": "/opt/cni/bin",
}


def _stdin(**more: Any) -> bytes:
    config = {"cniVersion": "1.1.0", "name": "cilium", "type": "ciliate-cni"}
    return json.dumps(config | more).encode()


def _with(**variables: str | None) -> dict[str, str]:
    changed = _ENVIRONMENT | variables
    return {name: value for name, value in changed.items() if value is not None}


def _code(environment: dict[str, str], stdin: bytes) -> int:
    with pytest.raises(CniError) as caught:
        parse_request(environment, stdin)
    return caught.value.code


def test_add_names_attachment_sandbox_and_pod() -> None:
    assert parse_request(_ENVIRONMENT, _stdin()) == Add(
        version="1.1.0",  # type: ignore[arg-type]
        network="cilium",
        attachment=Attachment("0f3a-b_c.d", "eth0"),
        netns="/run/netns/pod",
        pod=PodReference("default", "web", "u-1"),
    )


@pytest.mark.parametrize("version", SUPPORTED_VERSIONS)
def test_every_supported_version_is_taken(version: str) -> None:
    request = parse_request(_ENVIRONMENT, _stdin(cniVersion=version))

    assert isinstance(request, Add)
    assert request.version == version


@pytest.mark.parametrize("config", [{}, {"cniVersion": ""}, {"cniVersion": None}])
def test_configuration_without_a_version_is_of_the_first(config: dict[str, Any]) -> None:
    stdin = json.dumps({"name": "cilium", "type": "ciliate-cni", **config}).encode()

    request = parse_request(_ENVIRONMENT, stdin)

    assert isinstance(request, Add)
    assert (request.version, requested_version(stdin)) == ("0.1.0", "0.1.0")


@pytest.mark.parametrize("version", ["0.5.0", "2.0.0", 1, ["1.1.0"], {"a": 1}, "1.1.0\nx"])
def test_unknown_version_is_code_1(version: object) -> None:
    assert _code(_ENVIRONMENT, _stdin(cniVersion=version)) == CniCode.INCOMPATIBLE_VERSION


@pytest.mark.parametrize("stdin", [b"", b"{", b"not json", b"\xff\xfe", b"[]", b"null", b"3"])
def test_what_is_no_json_object_is_code_6(stdin: bytes) -> None:
    assert _code(_ENVIRONMENT, stdin) == CniCode.DECODE_FAILURE


def test_deeply_nested_json_is_code_6() -> None:
    assert _code(_ENVIRONMENT, b"[" * 500_000) == CniCode.DECODE_FAILURE


@pytest.mark.parametrize(
    "environment",
    [
        _with(CNI_COMMAND=None),
        _with(CNI_COMMAND="REMOVE"),
        _with(CNI_CONTAINERID=None),
        _with(CNI_CONTAINERID=""),
        _with(CNI_CONTAINERID="-begins-wrong"),
        _with(CNI_CONTAINERID="../../etc/passwd"),
        _with(CNI_CONTAINERID="a" * 201),
        _with(CNI_IFNAME=None),
        _with(CNI_IFNAME="sixteen-bytes-xx"),
        _with(CNI_IFNAME="a/b"),
        _with(CNI_IFNAME="a b"),
        _with(CNI_IFNAME="a:b"),
        _with(CNI_IFNAME=".."),
        _with(CNI_NETNS=None),
        _with(CNI_NETNS="relative"),
        _with(CNI_ARGS=None),
        _with(CNI_ARGS="K8S_POD_NAME=web"),
        _with(CNI_ARGS="no-pairs"),
        _with(CNI_ARGS="K8S_POD_NAMESPACE=default;K8S_POD_NAME=web;OTHER=1"),
        # Octets that are not UTF-8 come as surrogates.
        _with(CNI_CONTAINERID="a\udcff"),
        _with(CNI_IFNAME="e\udcff"),
        _with(CNI_NETNS="/run/netns/\udcff\udcfe"),
        _with(CNI_NETNS="/run/netns/a\nb"),
        _with(CNI_NETNS="/" + "n" * 4095),
        _with(CNI_ARGS="K8S_POD_NAMESPACE=default;K8S_POD_NAME=\udcff"),
        _with(CNI_ARGS="K8S_POD_NAMESPACE=default;K8S_POD_NAME=../../nodes/n"),
        _with(CNI_ARGS="K8S_POD_NAMESPACE=default;K8S_POD_NAME=Web"),
        _with(CNI_ARGS="K8S_POD_NAMESPACE=default;K8S_POD_NAME=a..b"),
        _with(CNI_ARGS="K8S_POD_NAMESPACE=default;K8S_POD_NAME=" + "a" * 254),
        _with(CNI_ARGS="K8S_POD_NAMESPACE=a.b;K8S_POD_NAME=web"),
        _with(CNI_ARGS="K8S_POD_NAMESPACE=" + "a" * 64 + ";K8S_POD_NAME=web"),
        _with(CNI_ARGS="K8S_POD_NAMESPACE=a;K8S_POD_NAME=web;K8S_POD_UID=a/b"),
        _with(CNI_ARGS="K8S_POD_NAMESPACE=a;K8S_POD_NAME=web;\udcff=1"),
    ],
)
def test_missing_or_invalid_variable_is_code_4(environment: dict[str, str]) -> None:
    assert _code(environment, _stdin()) == CniCode.INVALID_ENVIRONMENT


@pytest.mark.parametrize("name", [None, "", 7, "-x", "a b"])
def test_network_without_valid_name_is_code_7(name: object) -> None:
    assert _code(_ENVIRONMENT, _stdin(name=name)) == CniCode.INVALID_CONFIG


@pytest.mark.parametrize("mode", ["none", "portmap"])
def test_prev_result_without_chaining_is_code_7_in_the_fields_words(mode: str) -> None:
    with pytest.raises(CniError) as caught:
        parse_request(_ENVIRONMENT, _stdin(prevResult={"ips": []}), chaining_mode=mode)

    assert caught.value.code == CniCode.INVALID_CONFIG
    assert caught.value.msg.startswith("CNI PrevResult supplied, but not in chaining mode")


@pytest.mark.parametrize(
    ("key", "setting"), [({}, "generic-veth"), ({"chaining-mode": "generic-veth"}, "none")]
)
def test_chained_add_carries_the_result_before_it(key: dict[str, Any], setting: str) -> None:
    previous = {
        "interfaces": [{"name": "veth1"}, {"name": "eth0", "sandbox": "/run/netns/pod"}],
        "ips": [{"address": "10.1.0.5/24", "interface": 1}],
    }

    request = parse_request(
        _ENVIRONMENT, _stdin(prevResult=previous, **key), chaining_mode=setting
    )

    assert isinstance(request, Add)
    assert request.prev_result is not None
    assert request.prev_result.document == previous
    assert request.prev_result.interfaces == ("veth1", "eth0")


def test_chained_add_without_a_result_before_it_is_code_7() -> None:
    assert _code(_ENVIRONMENT, _stdin(**{"chaining-mode": "generic-veth"})) == (
        CniCode.INVALID_CONFIG
    )


@pytest.mark.parametrize("mode", ["aws-cni", 7, {}, "x" * 200])
def test_unknown_chaining_mode_is_code_7(mode: object) -> None:
    with pytest.raises(CniError) as caught:
        parse_request(_ENVIRONMENT, _stdin(**{"chaining-mode": mode}))

    assert caught.value.code == CniCode.INVALID_CONFIG
    assert caught.value.msg.startswith("invalid chaining-mode ")
    assert len(caught.value.msg) < 100


@pytest.mark.parametrize("verb", ["ADD", "DEL", "CHECK", "STATUS"])
def test_request_keeps_the_call_for_a_delegate_and_never_shows_it(verb: str) -> None:
    stdin = _stdin(ipam={"type": "host-local", "password": "hunter2"})
    environment = _with(CNI_COMMAND=verb)

    request = parse_request(environment, stdin)

    assert not isinstance(request, VersionQuery)
    assert request.call.ipam_type == "host-local"
    assert (request.call.environment, request.call.stdin) == (environment, stdin)
    assert "hunter2" not in repr(request)


@pytest.mark.parametrize(
    "ipam", ["host-local", [], {"type": 3}, {"type": "../../bin/sh"}, {"type": "/bin/sh"}]
)
def test_ipam_that_names_no_plugin_is_code_7(ipam: object) -> None:
    assert _code(_ENVIRONMENT, _stdin(ipam=ipam)) == CniCode.INVALID_CONFIG


@pytest.mark.parametrize("ipam", [None, {}, {"type": ""}, {"min-allocate": 3}])
def test_ipam_without_a_type_is_no_delegate(ipam: object) -> None:
    request = parse_request(_ENVIRONMENT, _stdin(ipam=ipam))

    assert isinstance(request, Add)
    assert request.call.ipam_type == ""


def test_unknown_arguments_pass_where_the_runtime_says_so() -> None:
    arguments = "IgnoreUnknown=true;OTHER=1;K8S_POD_NAMESPACE=a;K8S_POD_NAME=b"

    request = parse_request(_with(CNI_ARGS=arguments), _stdin())

    assert isinstance(request, Add)
    assert request.pod == PodReference("a", "b", "")


@pytest.mark.parametrize(
    "config",
    [
        {"cniVersion": "0.1.0"},
        {"cniVersion": "9.9.9"},
        {"cniVersion": ["1.1.0"]},
        {"name": None},
        {"name": "a b"},
        {"prevResult": [1]},
        {"prevResult": {"ips": 7}},
        {"chaining-mode": "sideways"},
        {"ipam": {"type": "../sh"}},
    ],
)
def test_del_never_fails_for_what_it_does_not_need(config: dict[str, Any]) -> None:
    environment = _with(
        CNI_COMMAND="DEL", CNI_NETNS="/\udcff", CNI_ARGS="K8S_POD_NAME=\udcff;garbage"
    )

    request = parse_request(environment, _stdin(**config))

    assert isinstance(request, Del)
    assert request.attachment == Attachment("0f3a-b_c.d", "eth0")
    assert (request.pod, request.call.ipam_type) == (None, "")


@pytest.mark.parametrize("text", ["\udcff" * 20, "line\nbreak", "x" * 60_000])
def test_error_about_a_variable_is_one_short_line_of_ascii(text: str) -> None:
    environments = [
        _with(CNI_CONTAINERID=text + "/"),
        _with(CNI_NETNS=text),
        _with(CNI_ARGS=f"K8S_POD_NAMESPACE={text}/;K8S_POD_NAME=web"),
        _with(CNI_ARGS=f"K8S_POD_NAMESPACE=a;K8S_POD_NAME={text}/"),
        _with(CNI_ARGS=f"K8S_POD_NAMESPACE=a;K8S_POD_NAME=b;{text}=1"),
    ]
    for environment in environments:
        with pytest.raises(CniError) as caught:
            parse_request(environment, _stdin())
        said = str(caught.value)
        assert (said.isascii(), said.isprintable()) == (True, True)
        assert len(said) < 600


def test_del_asks_for_container_and_interface_only() -> None:
    request = parse_request(_with(CNI_COMMAND="DEL", CNI_NETNS=None, CNI_ARGS=None), _stdin())

    assert isinstance(request, Del)
    assert (request.netns, request.pod) == (None, None)
    assert request.attachment == Attachment("0f3a-b_c.d", "eth0")


def test_check_carries_what_add_answered() -> None:
    previous = {
        "interfaces": [{"name": "lxc1"}, {"name": "eth0", "sandbox": "/run/netns/pod"}],
        "ips": [{"address": "10.244.0.7/32", "interface": 1}],
    }

    request = parse_request(_with(CNI_COMMAND="CHECK"), _stdin(prevResult=previous))

    assert isinstance(request, Check)
    assert request.prev_result is not None
    assert request.prev_result.interfaces == ("lxc1", "eth0")
    assert request.prev_result.addresses == ("10.244.0.7/32",)


@pytest.mark.parametrize("previous", [3, {"ips": 3}, {"ips": [{}]}, {"interfaces": [3]}])
def test_malformed_previous_result_is_code_7(previous: object) -> None:
    assert _code(_with(CNI_COMMAND="CHECK"), _stdin(prevResult=previous)) == CniCode.INVALID_CONFIG


def test_gc_lists_what_is_valid() -> None:
    listed = [{"containerID": "a", "ifname": "eth0"}, {"containerID": "b", "ifname": "eth1"}]
    stdin = _stdin(**{"cni.dev/valid-attachments": listed})

    request = parse_request({"CNI_COMMAND": "GC"}, stdin)

    assert isinstance(request, Gc)
    assert request.valid == {Attachment("a", "eth0"), Attachment("b", "eth1")}


@pytest.mark.parametrize("listed", [None, "all", [{}], [{"containerID": 1, "ifname": "e"}]])
def test_gc_without_a_proper_list_removes_nothing(listed: object) -> None:
    stdin = _stdin(**({} if listed is None else {"cni.dev/valid-attachments": listed}))

    assert _code({"CNI_COMMAND": "GC"}, stdin) == CniCode.INVALID_CONFIG


def test_status_and_version_need_no_container() -> None:
    assert isinstance(parse_request({"CNI_COMMAND": "STATUS"}, _stdin()), Status)
    assert isinstance(parse_request({"CNI_COMMAND": "VERSION"}, b"{}"), VersionQuery)


@pytest.mark.parametrize(
    ("verb", "version"), [("GC", "1.0.0"), ("STATUS", "0.4.0"), ("CHECK", "0.3.1")]
)
def test_verb_of_a_later_version_is_code_1(verb: str, version: str) -> None:
    stdin = _stdin(cniVersion=version, **{"cni.dev/valid-attachments": []})

    assert _code(_with(CNI_COMMAND=verb), stdin) == CniCode.INCOMPATIBLE_VERSION


def test_error_never_repeats_what_stdin_holds() -> None:
    for stdin in (b'{"token": "s3cret"', _stdin(cniVersion="s3cret"), _stdin(name="s3cret s")):
        with pytest.raises(CniError) as caught:
            parse_request(_ENVIRONMENT, stdin)
        assert "s3cret" not in str(caught.value)


@given(st.dictionaries(st.sampled_from(sorted(_ENVIRONMENT)), st.text()), st.binary())
def test_any_input_is_a_request_or_a_cni_error(environment: dict[str, str], stdin: bytes) -> None:
    for text in (stdin, _stdin()):
        # Another exception would fail the test.
        with contextlib.suppress(CniError):
            parse_request(_ENVIRONMENT | environment, text)
        requested_version(text)

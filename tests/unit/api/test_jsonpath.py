from typing import Any

import pytest

from ciliate.api.jsonpath import JsonPathDeadEndError, JsonPathError, compile_path

DOCUMENT = {
    "spec": {
        "addresses": [{"type": "Inner", "ip": "1"}, {"type": "Outer", "ip": "2"}],
        "sizes": [1, 2, 3],
        "flags": [True, False],
        "none": [],
        "a.b": "dotted",
        "c/d-e": "plain",
    }
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".spec.sizes", [[1, 2, 3]]),
        (".spec.sizes[1]", [2]),
        (".spec.sizes[-1]", [3]),
        (".spec.sizes[9]", []),
        (".spec.sizes[*]", [1, 2, 3]),
        ('.spec.addresses[?(@.type=="Outer")].ip', ["2"]),
        (".spec.addresses[?(@.type=='Inner')].ip", ["1"]),
        ('.spec.addresses[?(@.type!="Inner")].ip', ["2"]),
        (".spec.sizes[?(@>1)]", [2, 3]),
        (".spec['a.b']", ["dotted"]),
        ('.spec["a.b"]', ["dotted"]),
        (r".spec.a\.b", ["dotted"]),
        (".spec.c/d-e", ["plain"]),
        (".spec['']", []),
        ("..ip", ["1", "2"]),
        (".spec.sizes.*", [1, 2, 3]),
        ("{.}", [DOCUMENT]),
        ("$", [DOCUMENT]),
        ("@.spec.sizes[0]", [1]),
        (".spec.sizes[-3]", [1]),
        (".spec.flags[?(@==true)]", [True]),
        (".spec.flags[?(@!=false)]", [True]),
        (".spec.flags[?(@>0)]", []),
        ('.spec.sizes[?(@>"1")]', []),
        ("{.spec.sizes[0]}", [1]),
        (".none.at.all", []),
    ],
)
def test_paths(path: str, found: list[Any]) -> None:
    assert compile_path(path).find(DOCUMENT) == found


@pytest.mark.parametrize(("path", "rest"), [(".spec[", "["), (".a[?(", "[?("), (".a b c", " b c")])
def test_paths_that_are_none_are_refused_with_what_is_not_understood(path: str, rest: str) -> None:
    with pytest.raises(JsonPathError) as raised:
        compile_path(path)
    assert (raised.value.path, raised.value.rest) == (path, rest)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".spec.sizes[0]", [1]),
        (".spec.addresses[*].ip", ["1", "2"]),
        ('.spec.addresses[?(@.type=="None")].ip', []),
        ("..nowhere", []),
        (".spec.none[*]", []),
        (".spec.none.*", []),
    ],
)
def test_followed_paths_may_choose_nothing(path: str, found: list[Any]) -> None:
    assert compile_path(path).follow(DOCUMENT) == found


@pytest.mark.parametrize(
    ("path", "step"),
    [
        (".spec.nothing.at.all", ".nothing"),
        (".spec.sizes[9]", "[9]"),
        (".spec.sizes.x", ".x"),
        (".spec.sizes[*].ip", ".ip"),
        (".spec.sizes[0][*]", "[*]"),
    ],
)
def test_followed_paths_say_where_they_end(path: str, step: str) -> None:
    with pytest.raises(JsonPathDeadEndError) as raised:
        compile_path(path).follow(DOCUMENT)
    assert (raised.value.path, raised.value.step) == (path, step)
    assert str(raised.value).endswith(repr(step))

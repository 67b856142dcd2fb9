"""`config/json_objects.py`: objects behind each other, however they are parted."""

import pytest

from ciliate.config.json_objects import read_json_objects
from ciliate.config.values import ValueTextError


@pytest.mark.parametrize("between", ["", " ", ",", ", ", "\n", " ,\n"])
def test_blanks_and_commas_part_objects(between: str) -> None:
    assert read_json_objects(between.join(['{"a":[1]}', '{"b":", "}', "{}"])) == (
        {"a": [1]},
        {"b": ", "},
        {},
    )


def test_nothing_is_no_object() -> None:
    assert read_json_objects(" , ") == ()


@pytest.mark.parametrize("text", ["nope", "[]", "1", '{"a"', '{} "x"', "{'a': 1}"])
def test_anything_else_is_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(ValueTextError, match=r"is no JSON|no object") as refused:
        read_json_objects(text)

    assert "DROPPED" in refused.value.remedy

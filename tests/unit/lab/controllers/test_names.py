from ciliate.lab.controllers.names import hash_of, random_suffix


def test_hash_ignores_the_order_of_keys() -> None:
    assert hash_of({"a": 1, "b": [1, 2]}) == hash_of({"b": [1, 2], "a": 1})
    assert hash_of({"a": 1}) != hash_of({"a": 2})


def test_names_have_no_vowels() -> None:
    assert not set("aeiou013") & set(hash_of("x") + random_suffix(200))

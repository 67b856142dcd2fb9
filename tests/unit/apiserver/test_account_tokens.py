from pathlib import Path

from ciliate.apiserver.account_tokens import AccountToken, AccountTokens, BoundObject

TOKEN = AccountToken(
    namespace="n",
    account="a",
    account_uid="u",
    audiences=("x", "y"),
    issued=100,
    expires=700,
    bound=(BoundObject("pod", "p", "pu"), BoundObject("node", "w1", "nu")),
)


def test_token_says_what_it_was_signed_with() -> None:
    tokens = AccountTokens(b"k" * 32)

    assert tokens.read(tokens.sign(TOKEN)) == TOKEN


def test_token_of_another_key_says_nothing() -> None:
    assert AccountTokens(b"k" * 32).read(AccountTokens(b"l" * 32).sign(TOKEN)) is None


def test_texts_that_are_no_tokens_say_nothing() -> None:
    tokens = AccountTokens(b"k" * 32)
    signed = tokens.sign(TOKEN)

    for text in (
        "",
        ".",
        "..",
        "a.b",
        signed + ".x",
        signed + "\u00e9",
        signed[:-1],
        "." + signed,
    ):
        assert tokens.read(text) is None
    assert tokens.read("x" * 10_000) is None


def test_key_stays_and_is_roots_alone(tmp_path: Path) -> None:
    first = AccountTokens.load(tmp_path)
    again = AccountTokens.load(tmp_path)

    assert again.read(first.sign(TOKEN)) == TOKEN
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600

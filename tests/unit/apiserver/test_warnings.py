"""What an answer says beside its result: once, within bounds, in one line each."""

from aiohttp import web

from ciliate.apiserver import warnings


def sent(*texts: str) -> list[str]:
    warnings.begin()
    for text in texts:
        warnings.warn(text)
    response = web.Response()
    warnings.attach(response)
    return response.headers.getall("Warning", [])


def test_a_warning_is_a_quoted_text_of_code_299() -> None:
    assert sent('unknown field "spec.a\\b"') == ['299 - "unknown field \\"spec.a\\\\b\\""']


def test_the_same_text_is_sent_once_and_in_order() -> None:
    assert sent("b", "a", "b") == ['299 - "b"', '299 - "a"']


def test_a_text_never_ends_its_header() -> None:
    assert sent("a\r\nSet-Cookie: b") == ['299 - "a Set-Cookie: b"']


def test_long_texts_are_cut_when_all_of_them_exceed_the_bound() -> None:
    alone = sent("a" * 4096)
    headers = sent(*(f"{n:02}" + "a" * 300 for n in range(40)))

    assert [len(h) for h in alone] == [4096 + len('299 - ""')]
    assert [len(h) for h in headers] == [256 + len('299 - ""')] * 16


def test_a_request_has_no_warnings_of_the_one_before() -> None:
    sent("a")

    assert sent() == []

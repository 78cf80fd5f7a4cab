"""Base45 agrees with RFC 9285, and takes nothing that it does not make."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paycode.base45 import decode, encode

EXAMPLES = [(b"AB", "BB8"), (b"Hello!!", "%69 VD92EX0"), (b"base-45", "UJCLQE7W581"), (b"ietf!", "QED8WEX0"), (b"", "")]


@pytest.mark.parametrize(("data", "text"), EXAMPLES)
def test_examples_of_the_rfc(data: bytes, text: str) -> None:
    assert encode(data) == text
    assert decode(text) == data


# A lone character; a triple above 65,535, in front and last; a pair above 255; no characters of it; not ASCII.
@pytest.mark.parametrize("text", ["A", "BB8A", "GGW", ":::", "BB8GGW", "GGWBB8", "V5", "::", "bb8", "BB\n", "BBé"])
def test_what_is_never_made_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not Base45|ascii"):
        decode(text)


@given(st.binary(max_size=400))
def test_decoding_undoes_encoding_and_no_text_ends_in_a_space(data: bytes) -> None:
    text = encode(data)
    assert decode(text) == data
    assert not text.endswith(" ")  # which a scanner might strip


@given(st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:", max_size=60))
def test_every_text_that_is_taken_is_the_only_one_for_its_bytes(text: str) -> None:
    try:
        data = decode(text)
    except ValueError:
        return
    assert encode(data) == text

# SPDX-License-Identifier: Apache-2.0
"""The scanner against JSON's own parser, over arbitrary documents cut at arbitrary places."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from veo_provider.api.answer_scanner import MAX_DEPTH, MAX_HEAD, MAX_STRING, AnswerScanner, AnswerTooLarge

HEADS = ["data:video/mp4;base64,", "data:,", "data:video/mp4;charset=utf-8;base64,", 'data:"\\/,']
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
# Only the Basic Multilingual Plane: a pair of surrogates is resolved by halves, and base64 has none.
PAYLOADS = st.builds(str.__add__, st.sampled_from(HEADS), st.text(st.characters(max_codepoint=0xD7FF), max_size=40))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS | PAYLOADS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS | PAYLOADS, inner, max_size=4),
    max_leaves=12,
)
DOCUMENTS = st.lists(VALUES, max_size=4) | st.dictionaries(TEXTS | PAYLOADS, VALUES, max_size=4) | TEXTS
CUTS = st.lists(st.integers(1, 40), min_size=1, max_size=6)


def written(value: Any, *, ascii_only: bool, escapes: bool, indent: int | None) -> bytes:
    """JSON as different libraries write it: .NET escapes the plus sign, PHP the slash."""
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    if escapes:
        text = re.sub(r"(?<!e)\+", r"\\u002b", text.replace("/", r"\/"))  # 1e+16 is a number
    return text.encode()


BODIES = st.builds(
    lambda value, **style: (value, written(value, **style)),
    DOCUMENTS,
    ascii_only=st.booleans(),
    escapes=st.booleans(),
    indent=st.none() | st.just(1),
)


def chunks(body: bytes, sizes: list[int]) -> Iterator[bytes]:
    start, turn = 0, 0
    while start < len(body):
        size = sizes[turn % len(sizes)]
        yield body[start : start + size]
        start, turn = start + size, turn + 1


def scan(body: bytes, sizes: list[int] | None = None, **options: Any) -> tuple[bytes, AnswerScanner]:
    scanner = AnswerScanner(**options)
    return b"".join(scanner.feed(chunk) for chunk in chunks(body, sizes or [len(body) or 1])), scanner


def elide(value: Any, payloads: list[str]) -> Any:
    """What the scanner should leave of a value; the payloads are appended in their order."""
    if isinstance(value, list):
        return [elide(item, payloads) for item in value]
    if isinstance(value, dict):
        return {key: elide(item, payloads) for key, item in value.items()}
    if isinstance(value, str) and value.startswith("data:") and "," in value:
        head, payload = value.split(",", 1)
        payloads.append(payload)
        return f"{head},#{len(payloads) - 1}"
    return value


@given(BODIES, CUTS)
def test_leaves_everything_but_the_payloads(body: tuple[Any, bytes], cuts: list[int]) -> None:
    value, raw = body
    payloads: list[str] = []
    _, scanner = scan(raw, cuts)
    assert json.loads(scanner.document()) == elide(value, payloads)
    assert not scanner.in_payload


@given(BODIES, CUTS, st.integers(0, 5))
def test_taps_exactly_one_payload(body: tuple[Any, bytes], cuts: list[int], number: int) -> None:
    value, raw = body
    payloads: list[str] = []
    elide(value, payloads)
    tapped, scanner = scan(raw, cuts, tap=number)
    assert tapped.decode() == "".join(payloads[number : number + 1])
    assert scanner.tapped == (number < len(payloads))


@given(BODIES, CUTS, st.data())
def test_what_was_seen_of_a_document_parses(body: tuple[Any, bytes], cuts: list[int], data: st.DataObject) -> None:
    raw = body[1]
    _, scanner = scan(raw[: data.draw(st.integers(1, len(raw)))], cuts)
    json.loads(scanner.document())


@given(BODIES, CUTS, st.integers(1, 200))
def test_what_was_kept_of_too_large_a_document_parses(body: tuple[Any, bytes], cuts: list[int], most: int) -> None:
    scanner = AnswerScanner(max_document=most)
    try:
        for chunk in chunks(body[1], cuts):
            scanner.feed(chunk)
    except AnswerTooLarge:
        pass
    json.loads(scanner.document())


NOISE = st.lists(
    st.binary(max_size=8)
    | st.sampled_from([b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b'"data:x,', b"\\u00", b"\\ud83d", b"\xf0"]),
    max_size=40,
).map(b"".join)


@given(NOISE, CUTS, st.integers(1, 100))
@example(b'{:"', [1], 100)
def test_any_bytes_pass(body: bytes, cuts: list[int], most: int) -> None:
    scanner = AnswerScanner(tap=0, max_document=most)
    try:
        for chunk in chunks(body, cuts):
            scanner.feed(chunk)
            scanner.document()
    except AnswerTooLarge:
        pass
    scanner.document()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    ("string", "head", "payload"),
    [
        (rb"data:video\/mp4;base64,AAAA", "data:video/mp4;base64,#0", b"AAAA"),
        (rb"\u0064ata:,a\u002bb\/c\u003d\n", "data:,#0", b"a+b/c=\n"),
        (rb"data\u003a\u002Cab\\\/\"", "data:,#0", b'ab\\/"'),
        (rb"data:,", "data:,#0", b""),
    ],
)
def test_escapes(size: int, string: bytes, head: str, payload: bytes) -> None:
    body = b'{"status":"succeeded","url":"' + string + b'","n":1}'
    tapped, scanner = scan(body, [size], tap=0)
    assert json.loads(scanner.document()) == {"status": "succeeded", "url": head, "n": 1}
    assert tapped == payload


@pytest.mark.parametrize(
    "string", ["data:", "data:" + "x" * MAX_HEAD + ",AAAA", "Data:,A", " data:,A", r"data:\\u00,"[:7]]
)
def test_what_is_no_payload_stays(string: str) -> None:
    _, scanner = scan(json.dumps({"url": string}).encode(), [5])
    assert json.loads(scanner.document()) == {"url": string}


def test_a_key_is_no_payload() -> None:
    _, scanner = scan(b'{"data:,x" : 1, "a":{"b":[]},"data:,y":"data:,z"}', [4])
    assert json.loads(scanner.document()) == {"data:,x": 1, "a": {"b": []}, "data:,y": "data:,#0"}


def test_a_stopped_scan_knows_what_came_before_the_payload() -> None:
    scanner = AnswerScanner()
    scanner.feed(b'{"task_id":"abc","status":"succeeded","url":["data:video/mp4;base64,AAAA')
    assert scanner.in_payload
    assert json.loads(scanner.document()) == {
        "task_id": "abc",
        "status": "succeeded",
        "url": ["data:video/mp4;base64,#0"],
    }


@pytest.mark.parametrize(
    ("seen", "closed"),
    [
        (b'{"a":1,"a', {"a": 1}),
        (b'{"a":1 , "a" ', {"a": 1}),
        (b'{"a":1,"b" :', {"a": 1}),
        (b'{"a":1, ', {"a": 1}),
        (b'{"a":[true,fal', {"a": [True, None]}),
        (b'{"a":[-', {"a": [None]}),
        (b'{"a":12', {"a": 12}),
        (b'{"a":"x\\', {"a": "x"}),
        (b'{"a":"x\\u00e', {"a": "x"}),
        (b'{"a":"x\\ud83d\\ude0', {"a": "x"}),
        ('{"a":"xé'.encode()[:-1], {"a": "x"}),
        (b'{"a":"dat', {"a": "dat"}),
        (b'{"a":"data:video/mp', {"a": "data:video/mp"}),
        (b"\xef\xbb\xbf{", {}),
    ],
)
def test_what_broke_off_is_closed(seen: bytes, closed: Any) -> None:
    for sizes in ([1], [len(seen)]):
        assert json.loads(scan(seen, sizes)[1].document()) == closed


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"  ",
        b'<html><a href="x">{"not [json</a><p class="open',
        b'{"task_id":"cHJv"}{"code":"insert_task_failed","data":null}\n',
        b"upstream connect error, reset",
    ],
)
def test_other_bodies_pass_as_they_are(body: bytes) -> None:
    assert scan(body, [3])[1].document() == body


def test_long_strings_are_cut() -> None:
    body = json.dumps({"a": "é" * MAX_STRING, "b": "x" * MAX_STRING, "k" * (MAX_STRING + 1): 1}).encode()
    document = json.loads(scan(body, [1000])[1].document())
    assert document["a"] == "é" * (MAX_STRING // 6)
    assert document["b"] == "x" * MAX_STRING
    assert document["k" * MAX_STRING] == 1


def test_a_large_document_is_refused() -> None:
    scanner = AnswerScanner(max_document=10)
    with pytest.raises(AnswerTooLarge, match="more than 10 bytes"):
        scanner.feed(b"<html>" * 10)
    assert scanner.document() == b"<html><htm"


def test_deep_nesting_is_refused() -> None:
    scanner = AnswerScanner()
    with pytest.raises(AnswerTooLarge, match="nested"):
        scanner.feed(b"[" * 100_000)
    json.loads(scanner.document())
    assert len(scanner.document()) <= 2 * MAX_DEPTH + 2


def test_a_payload_may_be_larger_than_any_document() -> None:
    scanner = AnswerScanner(max_document=100)
    scanner.feed(b'{"url":"data:video/mp4;base64,')
    for _ in range(1000):
        scanner.feed(b"A" * 1000)
    scanner.feed(b'"}')
    assert json.loads(scanner.document()) == {"url": "data:video/mp4;base64,#0"}
    assert json.loads(scanner.document()) == {"url": "data:video/mp4;base64,#0"}

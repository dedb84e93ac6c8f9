# SPDX-License-Identifier: Apache-2.0
"""An image value: how it is given, what of it is shown, and what is sent."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veo_provider.api.images import ImageKind, image_kind, inline_image, read_image, shorten_image, shorten_values

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20
JPEG = b"\xff\xd8\xff\xe0" + b"\0" * 20
# Its base64 has both letters that the urlsafe alphabet writes otherwise.
ODD = b"\xff\xd8\xff\xfb\xef\xbe" + b"\xff" * 12


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("https://h/a.png", ImageKind.URL),
        ("HTTPS://h/a.png", ImageKind.URL),
        ("\n  https://h/a.png", ImageKind.URL),
        (b64(PNG), ImageKind.INLINE),
        (b64(JPEG), ImageKind.INLINE),
        (f"data:image/png;base64,{b64(PNG)}", ImageKind.INLINE),
        (f" DATA:image/png;base64,{b64(PNG)}", ImageKind.INLINE),
        ("s3://b/k.png", ImageKind.STORAGE),
        ("gs://b/k.png", ImageKind.STORAGE),
        ("file:///tmp/k.png", ImageKind.STORAGE),
        ("http://h/a.png", None),
        ("/tmp/k.png", None),
        ("abcd", None),
    ],
)
def test_how_an_image_is_given(value: str, kind: ImageKind | None) -> None:
    assert image_kind(value) is kind


def test_stored_images_become_data_uris() -> None:
    assert inline_image(JPEG) == f"data:image/jpeg;base64,{b64(JPEG)}"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("https://h/x.png", "https://h/x.png"),
        ("https://h:8080/x.png?sig=S3CRET", "https://h:8080/x.png?..."),
        ("https://h/x.png#token=S3CRET", "https://h/x.png#..."),
        ("https://h/x.png;S3CRET=1", "https://h/x.png;..."),
        (" \n https://h/x.png?sig=S3CRET", "https://h/x.png?..."),
        ("\u3000https://h/x.png?sig=S3CRET", "https://h/x.png?..."),
        ("HTTPS://h/x.png?sig=S3CRET", "HTTPS://h/x.png?..."),
        ("https://u:S3CRET@h/x.png", "https://h/x.png"),
        ("https://S3CRET@h/x.png", "https://h/x.png"),
        ("https://u:S3@CRET@h/x.png", "https://h/x.png"),
        ("https://u:S3/CRET@h/x.png", "https://..."),
        ("https://u:S3@CRET/S3CRET@h/x.png", "https://..."),
        ("https://u:1?S3CRET@h/x.png", "https://..."),
        ("https://u:S3CRET/x.png", "https://..."),
        ("https://h/logo@2x.png?S3CRET", "https://h/logo@2x.png?..."),
        ("https://[::1]:8080/x.png?S3CRET", "https://[::1]:8080/x.png?..."),
        ("https://u:S3CRET@[::1]/x.png", "https://[::1]/x.png"),
        ("http://h/x.png?X-Amz-Signature=S3CRET", "http://h/x.png?..."),
        ("http://u:S3CRET@h/x.png", "http://h/x.png"),
        ("s3://b/k.png", "s3://b/k.png"),
        ("s3://b/a folder/k.png", "s3://b/a folder/k.png"),
        ("s3://conn_id@b/k.png", "s3://conn_id@b/k.png"),
        ("s3://key:S3CRET@b/k.png", "s3://b/k.png"),
        ("s3://key%3AS3CRET@b/k.png", "s3://b/k.png"),
        ("s3://key:S3/CRET@b/k.png", "s3://..."),
        ("s3://conn_id@b/k.png?versionId=S3CRET", "s3://conn_id@b/k.png?..."),
        ("//u:S3CRET@h/x.png", "..."),
        ("//h/x.png?S3CRET", "//h/x.png?..."),
        ("https:/h/x.png?S3CRET", "https:/h/x.png?..."),
        ("/etc/passwd", "/etc/passwd"),
        ("https://h/a\nb\x1b[0m.png", "https://h/a b [0m.png"),
        (["https://h/x.png?S3CRET"], "a value of type list"),
        ({"url": "https://u:S3CRET@h"}, "a value of type dict"),
        (b"https://h/x.png?S3CRET", "a value of type bytes"),
    ],
)
def test_an_image_is_shown_without_what_may_be_a_secret(value: Any, shown: str) -> None:
    assert shorten_image(value) == shown


@pytest.mark.parametrize("before", ["", " ", "\n\t"])
@pytest.mark.parametrize("scheme", ["https", "http", "s3", "HTTPS"])
@given(user=st.text(st.characters(codec="utf-8"), max_size=8), tail=st.text(max_size=8))
def test_no_password_is_shown(before: str, scheme: str, user: str, tail: str) -> None:
    assert "S3CRET" not in shorten_image(f"{before}{scheme}://user:{user}S3CRET{user}@host/x.png")
    assert "S3CRET" not in shorten_image(f"{before}{scheme}://host/x.png?{user}S3CRET{tail}")


@pytest.mark.parametrize("head", ["data:image/png;base64,", "DATA:Image/PNG;charset=x;base64,", " data:image/png,", ""])
def test_inline_bytes_are_shown_as_length_and_digest(head: str) -> None:
    for repeated in (1, 100):
        value = head + b64(PNG * repeated)
        shown = shorten_image(value)
        assert b64(PNG)[:20] not in shown
        assert f"({len(value)} characters, sha256 " in shown
        assert len(shown) < 100
        assert shown.startswith("data:image/png;base64,... (" if head else "... (")


@pytest.mark.parametrize(
    "value",
    [
        "https://",
        "https://?x=1",
        "https:///x.png",
        "https://:443/x.png",
        "https://u:S3CRET@/x.png",
        "https://h:port/x.png",
        "https://h:99999/x.png",
        "https://[::1/x.png",
        "https://h/a b.png",
        "https://h/a\nb.png",
        "https://h\t/b.png",
        "https://h/a\x00.png",
        "https://h/a\u00a0b.png",
        "s3://",
        "s3:///",
        "s3://b/a\nb.png",
        "s3://[b/k.png",
        "s3://key:S3CRET@b/k.png",
        "s3://key%3AS3CRET@b/k.png",
        "gs://key:S3CRET@b/k.png?x=S3CRET",
    ],
)
def test_a_uri_that_leads_nowhere_is_refused(value: str) -> None:
    _, problems = read_image("image", value)
    assert len(problems) == 1
    assert problems[0].startswith("image: ")
    assert "S3CRET" not in problems[0]
    assert problems[0].isprintable()


@pytest.mark.parametrize(
    "value",
    [
        "https://h",
        "https://u:pw@h:8080/x.png?sig=1#f",
        "https://h/ü.png",
        "s3://conn_id@b/a folder/k.png",
        "file:///tmp/k.png",
        "abfs://container@account.dfs.core.windows.net/k.png",
        "hdfs://name:8020/k.png",
    ],
)
def test_a_uri_is_passed_on_without_the_blanks_around_it(value: str) -> None:
    assert read_image("image", f"\n\t {value} \r\n") == (value, [])


@pytest.mark.parametrize(
    ("given_", "sent"),
    [
        (f"data:image/png;base64,{b64(PNG)}", f"data:image/png;base64,{b64(PNG)}"),
        (f" DATA:IMAGE/PNG;BASE64,{b64(PNG)}\n", f"data:image/png;base64,{b64(PNG)}"),
        (f"data:image/png;charset=utf-8;base64,{b64(PNG)}", f"data:image/png;base64,{b64(PNG)}"),
        (f"data: image/png ; base64 , {b64(PNG)}", f"data:image/png;base64,{b64(PNG)}"),
        (f"data:image/png;base64,{b64(PNG)[:9]}\r\n {b64(PNG)[9:]}", f"data:image/png;base64,{b64(PNG)}"),
        (f"data:image/jpg;base64,{b64(JPEG)}", f"data:image/jpeg;base64,{b64(JPEG)}"),
        (base64.encodebytes(PNG * 20).decode(), b64(PNG * 20)),
        (f"  {b64(JPEG)}\n", b64(JPEG)),
        (base64.urlsafe_b64encode(ODD).decode(), b64(ODD)),
        (f"data:image/jpeg;base64,{base64.urlsafe_b64encode(ODD).decode()}", f"data:image/jpeg;base64,{b64(ODD)}"),
    ],
)
def test_inline_images_are_sent_clean(given_: str, sent: str) -> None:
    assert {"+", "/"} < set(b64(ODD))
    assert read_image("image", given_) == (sent, [])


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("/etc/passwd", "bare path"),
        ("http://u:S3CRET@h/a.png?S3CRET", "'http://h/a.png?...' is neither"),
        (b64(b"GIF89a" + b"0" * 20), "neither"),
        (b64(PNG).rstrip("="), "neither"),
        (f"data:image/png;base64,{b64(PNG).rstrip('=')}", "can't be decoded"),
        (f"data:image/gif;base64,{b64(b'GIF89a00')}", "neither JPEG nor PNG"),
        ("data:image/png;base64,%%%", "can't be decoded"),
        ("data:image/png;base64", "neither JPEG nor PNG"),
        ("data:image/png,abc", "can't be decoded"),
        (f"data:image/png;base64;x=1,{b64(PNG)}", "can't be decoded"),
        (f"data:image/jpeg;base64,{b64(PNG)}", "says image/jpeg, its bytes are image/png"),
        (f"data:;base64,{b64(PNG)}", "says nothing"),
        (f"data:image/png;base64,{b64(PNG + bytes(20 * 1024 * 1024))}", "at most 20971520"),
    ],
)
def test_an_image_that_is_none(value: str, words: str) -> None:
    _, problems = read_image("image", value)
    assert len(problems) == 1
    assert words in problems[0]
    assert "S3CRET" not in problems[0]
    assert len(problems[0]) < 400


@given(st.text() | st.from_regex(r"\A(https|s3|data|file):(//)?[\x20-\x7e]*\Z"))
def test_no_text_crashes(value: str) -> None:
    sent, problems = read_image("image", value)
    assert shorten_image(value).isprintable()
    assert problems or sent.isprintable()


def test_parameters_given_as_text_are_shown_as_if_they_were_not() -> None:
    picture = f"data:image/png;base64,{base64.b64encode(b'x' * 3000).decode()}"
    given = {"ref": "https://user:pw@h/a.png#token=s3cret", "img": picture, "n": 1}
    shown = shorten_values(json.dumps(given))
    assert json.loads(shown) == shorten_values(given)
    assert len(shown) < 200
    assert "s3cret" not in shown
    assert shorten_values("{not json} https://h/a?sig=s3cret") == "{not json} https://h/a?..."

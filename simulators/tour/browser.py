"""The least of a browser: it keeps cookies, follows redirects, reads forms, and says which page it comes from.

Requests run in threads, so that several may wait for their answers at once. Loopback only.
"""

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from html.parser import HTMLParser
from http.cookiejar import CookieJar
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

ANSWER_WITHIN_S = 30.0


class PageError(Exception):
    """A page did not answer, or not as asked; the text says which and how."""


class Browser:
    """One browser at the page on `port`."""

    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))

    async def html(self, path: str) -> str:
        """Open a page. Raises PageError."""
        text, _ = await self._send(path)
        return text

    async def json(self, path: str) -> Any:
        """Fetch a JSON value. Raises PageError."""
        text, _ = await self._send(path)
        return json.loads(text)

    async def order(self, path: str, **values: str) -> Any:
        """Post JSON, get JSON. Raises PageError with the reason of a refusal."""
        text, _ = await self._send(path, json.dumps(values).encode(), "application/json")
        return json.loads(text)

    async def submit(self, page: str, action: str, **fields: str) -> Mapping[str, str]:
        """Open `page`, fill in its form that goes to `action`, send it; return the query of the page that answers.

        What the form holds already, such as hidden fields, is sent too. Raises PageError if there is no such form.
        """
        held = form_fields(await self.html(page), action)
        if held is None:
            raise PageError(f"{self.address}{page} has no form for {action}")
        body = urlencode(held | fields).encode("ascii")
        _, answered = await self._send(action, body, "application/x-www-form-urlencoded")
        return {name: values[0] for name, values in parse_qs(urlsplit(answered).query).items()}

    async def _send(self, path: str, body: bytes | None = None, kind: str = "") -> tuple[str, str]:
        headers = {"Origin": self.address, "Content-Type": kind} if body is not None else {}
        request = urllib.request.Request(self.address + path, body, headers)  # noqa: S310 - http to loopback, as above
        return await asyncio.to_thread(self._exchange, request)

    def _exchange(self, request: urllib.request.Request) -> tuple[str, str]:
        try:
            with self._opener.open(request, timeout=ANSWER_WITHIN_S) as answer:
                return answer.read().decode("utf-8"), answer.url
        except urllib.error.HTTPError as error:
            with error:
                said = error.read().decode("utf-8", "replace")[:200]
            raise PageError(f"{request.full_url} answers {error.code}: {said}") from None
        except OSError as error:  # urllib's URLError is one
            raise PageError(f"{request.full_url} does not answer: {error}") from None


def form_fields(html: str, action: str) -> dict[str, str] | None:
    """The fields of the first form that goes to `action`, with their values; None if the page has no such form."""
    parser = _Forms(action)
    parser.feed(html)
    return parser.fields


class _Forms(HTMLParser):
    def __init__(self, action: str) -> None:
        super().__init__()
        self.fields: dict[str, str] | None = None
        self._action = action
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form" and self.fields is None and given.get("action") == self._action:
            self._inside, self.fields = True, {}
        elif tag == "input" and self._inside and self.fields is not None and given.get("name"):
            self.fields[str(given["name"])] = given.get("value") or ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False

"""A terminal that runs, as a command uses it: through its page, as an operator would. Only loopback is talked to."""

import json
from http.cookiejar import CookieJar
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import parse_qs, urlencode, urlsplit
from urllib.request import HTTPCookieProcessor, ProxyHandler, Request, build_opener

from terminal.cashier.texts import texts_in

ANSWER_WITHIN_S = 25.0


class PageRefused(Exception):
    """The page has not done it; the text says why, in both languages, and what to do."""


class RunningTerminal:
    """The page of a terminal, if there is one."""

    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self._opener = build_opener(ProxyHandler({}), HTTPCookieProcessor(CookieJar()))

    def is_there(self) -> bool:
        """Whether anybody answers there."""
        try:
            self._ask("/state")
        except URLError as error:
            return isinstance(error, HTTPError)
        return True

    def log_on(self, operator: str, pin: str) -> None:
        """Log on. Raises PageRefused."""
        self._post("/log-on", {"operator": operator, "pin": pin})

    def press(self, action: str, form: dict[str, str]) -> None:
        """Press a button once. Raises PageRefused."""
        page = self._ask("/").decode()
        request_id = page.partition('name="request_id" value="')[2].partition('"')[0]
        self._post(action, {"request_id": request_id, **form})

    def state(self, after: str = "") -> dict[str, Any]:
        """What the page shows, with its version; with `after`, as soon as it is another, or after a while."""
        state: dict[str, Any] = json.loads(self._ask(f"/state?after={after}" if after else "/state"))
        return state

    def _post(self, path: str, form: dict[str, str]) -> None:
        headers = {"origin": self.address}
        request = Request(self.address + path, urlencode(form).encode(), headers)  # noqa: S310 - our own page
        with self._opener.open(request, timeout=ANSWER_WITHIN_S) as answer:
            said = parse_qs(urlsplit(answer.url).query).get("said", [""])[0]
        if said:
            raise PageRefused(in_both_languages(said))

    def _ask(self, path: str) -> bytes:
        with self._opener.open(self.address + path, timeout=ANSWER_WITHIN_S) as answer:
            body: bytes = answer.read()
        return body


def in_both_languages(reason: str) -> str:
    """The sentence of a reason, in Chinese and English."""
    return " · ".join(texts_in(language).either("reason", reason, limit="") for language in ("zh", "en"))

"""The least of a browser: it sends what a form holds, and says how a page refused."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from simulators.tour.browser import Browser, PageError, form_fields
from tests.in_a_loop import in_a_loop

PAGE = """
<form method="post" action="/other"><input name="a" value="no"></form>
<form method="post" action="/charge"><input type="hidden" name="request_id" value="r&amp;1"><input name="amount"></form>
<input name="outside" value="no">
"""


class Page(BaseHTTPRequestHandler):
    """Shows PAGE, and leads a form to where its own body says."""

    def do_GET(self) -> None:
        self._send(404 if self.path == "/none" else 200, PAGE)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        assert self.headers["origin"] == f"http://{self.headers['host']}"
        self.send_response(303)
        self.send_header("location", f"/?{body}")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Tests are quiet."""

    def _send(self, code: int, text: str) -> None:
        self.send_response(code)
        self.end_headers()
        self.wfile.write(text.encode())


@pytest.fixture
def port() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_a_form_is_found_by_where_it_goes():
    assert form_fields(PAGE, "/charge") == {"request_id": "r&1", "amount": ""}
    assert form_fields(PAGE, "/void") is None


@in_a_loop
async def test_a_form_is_sent_with_what_it_holds(port):
    answered = await Browser(port).submit("/", "/charge", amount="25.00")
    assert answered == {"request_id": "r&1", "amount": "25.00"}


@pytest.mark.parametrize(("path", "said"), [("/none", "answers 404"), ("/", "no form for /void")])
@in_a_loop
async def test_a_refusal_says_which_page_and_why(port, path, said):
    with pytest.raises(PageError, match=said):
        await Browser(port).submit(path, "/void")


@in_a_loop
async def test_nobody_there_is_an_error_of_the_page():
    with pytest.raises(PageError, match="does not answer"):
        await Browser(1).json("/state")

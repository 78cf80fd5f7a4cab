"""What a browser may ask for. A press becomes an event, and is answered by the address of the page that shows it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from terminal.cashier import counter_test, live, render
from terminal.cashier.amounts import parse_amount
from terminal.cashier.forms import Form, read_form
from terminal.cashier.sessions import Session, Sessions
from terminal.cashier.sheets import DRAWER_OPENING, REPRINTING, SENDING, Place
from terminal.cashier.texts import LANGUAGES
from terminal.cashier.till import Till
from terminal.devices.scanner_keyboard import keyboard_of
from terminal.events import (
    BalanceRequested,
    CancelRequested,
    CloseByPeople,
    DrawerRequested,
    Event,
    RefundRequested,
    ReprintRequested,
    SaleRequested,
    SendNow,
    SettleRequested,
    VoidRequested,
)  # fmt: skip
from terminal.records import Key
from terminal.risk import refusal_of_closing

Press = Callable[["Desk", Session, Form], Awaitable[Place]]

IN_PLACE = "x-in-place"
"""A header of requests by a page that is open."""

NOT_KEPT = {"cache-control": "no-store"}
HOME = Place()
OLD_PAGE = Place(said="page_old")


class Desk:
    """The page's handlers."""

    def __init__(self, till: Till, sessions: Sessions) -> None:
        self.till = till
        self.sessions = sessions

    def routes(self) -> list[Route]:
        """Every address of the page but its static files."""
        presses = [
            Route(f"/{name}", self._answering(press), methods=["POST"], name=name) for name, press in PRESSES.items()
        ]
        return [
            Route("/", self.show, name="show"), Route("/updates", self.updates, name="updates"),
            Route("/state", self.state, name="state"),
            Route("/scan", self.scan, methods=["POST"], name="scan"),
            Route("/language", self.language, methods=["POST"], name="language"), *presses,
        ]  # fmt: skip

    async def show(self, request: Request) -> Response:
        """The page; for a page that is open only what changes by going there."""
        session, place = self.sessions.of(request), Place.of(request.query_params)
        draw = render.answer if IN_PLACE in request.headers else render.page
        response = HTMLResponse(draw(self.till, session, place), headers=NOT_KEPT)
        self.sessions.attach(request, response, session)
        return response

    async def updates(self, request: Request) -> StreamingResponse:
        """What changes from now on."""
        return live.updates(self.till, self.sessions.of(request), request.query_params.get("shown", ""))

    async def state(self, request: Request) -> Response:
        """``/state[?after=VERSION]``: what the page shows as JSON, for programs that work or watch this till."""
        return JSONResponse(await live.state(self.till, request.query_params.get("after")), headers=NOT_KEPT)

    async def language(self, request: Request) -> Response:
        """Switch the language in place, whatever is open there."""
        session, form = self.sessions.of(request), await read_form(request)
        if form.get("language") in LANGUAGES:
            session.language = form["language"]
            self.till.touch()
        return self._go(request, session, _came_from(request))

    async def scan(self, request: Request) -> Response:
        """A scanner has typed into the page, whatever is open there: it is looked at as a scan, and as nothing else."""
        session, form, runner = self.sessions.of(request), await read_form(request), self.till.runner
        keyboard, refusal = keyboard_of(runner.devices.scanner), ""
        if not session.operator:
            refusal = "log_on_first"
        elif keyboard is None:
            refusal = "scanner_not_set_up"
        elif not runner.wants_code:
            refusal = "scan_not_wanted"
        else:
            keyboard.typed(form.get("code", ""), ended=form.get("end") == "yes")
        return self._go(request, session, replace(_came_from(request), said=refusal))

    def _go(self, request: Request, session: Session, place: Place) -> Response:
        response = RedirectResponse(place.address, status_code=303)
        self.sessions.attach(request, response, session)
        return response

    def _answering(self, press: Press) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            session = self.sessions.of(request)
            return self._go(request, session, await press(self, session, await read_form(request)))

        return answer

    async def log_on(self, session: Session, form: Form) -> Place:
        """Operator's number and PIN."""
        number = form.get("operator", "")
        refusal = await self.till.check(number, form.get("pin", ""))
        if not refusal:
            self.sessions.log_on(session, number)
            self.till.touch()
        return Place(said=refusal)

    async def log_off(self, session: Session, _: Form) -> Place:
        """Nobody works here for now."""
        session.operator = ""
        self.till.touch()
        return HOME

    async def charge(self, session: Session, form: Form) -> Place:
        """Begin a sale; `offline`: by the key that sells without the bank."""
        amount = parse_amount(form.get("amount", ""), self.till.runner.profile.currency)
        if amount is None:
            return Place(said="amount_invalid" if form.get("amount") else "amount_zero")
        request_id = form.get("request_id", "")
        offline = form.get("offline") == "yes"
        return await self._begin(session, request_id, SaleRequested(request_id, amount, session.operator, offline))

    async def balance(self, session: Session, form: Form) -> Place:
        """Begin a balance inquiry."""
        request_id = form.get("request_id", "")
        return await self._begin(session, request_id, BalanceRequested(request_id, session.operator))

    async def void(self, session: Session, form: Form) -> Place:
        """Take back a sale, with the supervisor's leave."""
        request_id, again = form.get("request_id", ""), Place("void", form.get("key", ""))
        sale = self.till.find(again.key)
        refusal = "not_in_this_batch" if sale is None else await self._supervise(form)
        if refusal:
            return Place(again.sheet, again.key, refusal)
        event = VoidRequested(request_id, Key.parse(again.key), session.operator, form["supervisor"])
        return await self._begin(session, request_id, event)

    async def refund(self, session: Session, form: Form) -> Place:
        """Give back a sale or a part of it, with the supervisor's leave."""
        request_id, again = form.get("request_id", ""), Place("refund", form.get("key", ""))
        amount = parse_amount(form.get("amount", ""), self.till.runner.profile.currency)
        refusal = "amount_invalid" if amount is None else await self._supervise(form)
        original = None if refusal else self.till.original(again.key)
        if original is None or amount is None:
            return Place(again.sheet, again.key, said=refusal or "not_refundable")
        event = RefundRequested(request_id, original, amount, session.operator, form["supervisor"])
        return await self._begin(session, request_id, event)

    async def drawer(self, session: Session, form: Form) -> Place:
        """Open the cash drawer without a sale, for a reason that is kept with who it was."""
        if not session.operator:
            return Place(said="log_on_first")
        if not self.till.use(form.get("request_id", "")):
            return OLD_PAGE
        runner = self.till.runner
        before = runner.counter.book.drawer_opened

        def opened() -> bool:  # by the counter of now: one that could not write has been replaced
            return runner.counter.book.drawer_opened != before

        not_heard = await self.till.carry_out(DrawerRequested(session.operator, form.get("reason", "")), opened)
        return Place(said=DRAWER_OPENING if opened() else not_heard)

    async def settle(self, session: Session, form: Form) -> Place:
        """Close the batch, with the supervisor's leave."""
        refusal = await self._supervise(form)
        if refusal:
            return Place("settle", said=refusal)
        if not session.operator:
            return Place(said="log_on_first")
        if not self.till.use(form.get("request_id", "")):
            return OLD_PAGE
        counter = self.till.runner.counter
        batch = counter.book.batch

        def begun() -> bool:
            return counter.book.settling is not None or counter.book.batch != batch

        return Place(said=await self.till.carry_out(SettleRequested(session.operator), begun))

    async def close(self, session: Session, form: Form) -> Place:
        """Close a payment by the word of two people; whoever is logged on gives their PIN again."""
        again = Place("booked" if form.get("booked") == "yes" else "not_booked", form.get("key", ""))
        if not session.operator:
            return Place(said="log_on_first")
        payment, counter = self.till.in_batch(again.key), self.till.runner.counter
        if payment is None:
            return Place(said="not_found")
        operator, supervisor = form.get("operator", ""), form.get("supervisor", "")
        statement = form.get("statement", "").strip()
        said = CloseByPeople(payment.key, again.sheet == "booked", statement, operator, supervisor)
        refusal = refusal_of_closing(payment, said, counter.refusals.room) or await self._vouched_by_two(form)
        if refusal:
            return replace(again, said=refusal)
        if not self.till.use(form.get("request_id", "")):
            return OLD_PAGE

        def is_closed() -> bool:
            found = counter.book.find(payment.key)  # gone when its batch, which waited for nothing else, is settled
            return found is None or found.is_final

        closed = await self.till.carry_out(said, is_closed)
        return Place("payment", again.key, closed)

    async def choose(self, session: Session, form: Form) -> Place:
        """One of the applications of the card in the reader shall pay, if that is still asked."""
        if not session.operator:
            return Place(said="log_on_first")
        number = form.get("number", "")
        digit = int(number) if number.isascii() and number.isdecimal() and len(number) <= 2 else 0
        taken = self.till.runner.choose_application(form.get("key", ""), digit, form.get("name", ""))
        return HOME if taken else OLD_PAGE

    async def cancel(self, _: Session, form: Form) -> Place:
        """Give up the payment that the form names, if it is still the one under way."""
        payments = self.till.runner.counter.payments
        named = form.get("key", "")
        if str(payments.current) != named:
            return HOME
        event = CancelRequested(Key.parse(named))
        return Place(said=await self.till.carry_out(event, lambda: str(payments.current) != named))

    async def reprint(self, session: Session, form: Form) -> Place:
        """Print slips again (keys with a space between); each will say DUPLICATE."""
        keys = form.get("key", "").split()
        here = Place(form["sheet"], keys[0]) if "sheet" in form and keys else HOME
        if not session.operator:
            return Place(said="log_on_first")
        if not all(self.till.slip(key) for key in keys) or not self.till.use(form.get("request_id", "")):
            return here
        for key in keys:
            self.till.runner.post(ReprintRequested(Key.parse(key)))
        return replace(here, said=REPRINTING)

    async def send_now(self, session: Session, form: Form) -> Place:
        """Send what is owed to the bank, without waiting until it is time."""
        if not session.operator:
            return Place(said="log_on_first")
        if not self.till.use(form.get("request_id", "")):
            return HOME
        if not self.till.runner.counter.payments.forwarding.lines:
            return Place(said="no_line_yet")
        self.till.runner.post(SendNow())
        return Place(said=SENDING)

    async def next_sale(self, _: Session, form: Form) -> Place:
        """Go on from a result."""
        self.till.go_on(form.get("key", ""))
        return HOME

    async def look_up(self, _: Session, form: Form) -> Place:
        """Find a payment by the numbers on its slip."""
        batch, voucher = (form.get(name, "").strip().zfill(6) for name in ("batch", "voucher"))
        key = f"{self.till.runner.profile.terminal_id}-{batch}-{voucher}"
        return Place("payment", key) if self.till.find(key) else Place("find", said="not_found")

    async def _begin(self, session: Session, request_id: str, event: Event) -> Place:
        """Hand a payment to the machine, once; go where its progress or its refusal is shown."""
        if not session.operator:
            return Place(said="log_on_first")
        if not self.till.is_fresh(request_id):
            return OLD_PAGE
        return Place(said=await self.till.carry_out(event, lambda: self.till.started(request_id)))

    async def _vouched_by_two(self, form: Form) -> str:
        first = await self.till.check(form.get("operator", ""), form.get("operator_pin", ""))
        return first or await self._supervise(form)

    async def _supervise(self, form: Form) -> str:
        return await self.till.check(form.get("supervisor", ""), form.get("pin", ""), "supervisor")


def _came_from(request: Request) -> Place:
    return Place.of(dict(parse_qsl(urlsplit(request.headers.get("referer", "")).query)))


PRESSES: Mapping[str, Press] = {
    "log-on": Desk.log_on,
    "log-off": Desk.log_off,
    "charge": Desk.charge,
    "balance": Desk.balance,
    "void": Desk.void,
    "refund": Desk.refund,
    "settle": Desk.settle,
    "drawer": Desk.drawer,
    "close": Desk.close,
    "choose": Desk.choose,
    "cancel": Desk.cancel,
    "reprint": Desk.reprint,
    "send-now": Desk.send_now,
    "next": Desk.next_sale,
    "find": Desk.look_up,
    "test": counter_test.begin,
    "test-skip": counter_test.skip,
    "test-close": counter_test.put_away,
}

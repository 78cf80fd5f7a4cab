"""From what the page shows to HTML: whole for a browser that opens it, in regions for one that has it open.

A region is an element with an id that htmx puts in place of the one with the same id. The same templates make both, so
what comes as an update is what a reload would show.
"""

import hashlib
import time
import unicodedata
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from terminal.cashier.sale import Moment, panel
from terminal.cashier.sales import sales
from terminal.cashier.sessions import Session
from terminal.cashier.sheets import Place, sheet
from terminal.cashier.strip import alerts, strip
from terminal.cashier.texts import texts_in
from terminal.cashier.till import Till
from terminal.cashier.words import View

LIVE_REGIONS = ("strip", "alerts", "sale", "sales", "announcer")
"""Follow the machine. The sheet does not: what somebody is filling in stays until it is sent."""

_HERE = Place()


def page(till: Till, session: Session, place: Place) -> str:
    """The whole page."""
    view = till.view()
    shown = _shown(till, view, session, place)
    return _environment().get_template("page.html").render(shown, digest=digest(regions(till, view, session)))


def fragments(till: Till, session: Session, place: Place) -> str:
    """All regions, the sheet among them, for htmx to put in place."""
    shown = _shown(till, till.view(), session, place) | {"swap_in": True}
    return "".join(_render(name, shown) for name in (*LIVE_REGIONS, "sheet"))


def regions(till: Till, view: View, session: Session) -> dict[str, str]:
    """The regions that follow the machine, by id."""
    shown = _shown(till, view, session, None) | {"swap_in": True}
    return {name: _render(name, shown) for name in LIVE_REGIONS}


def digest(rendered: dict[str, str]) -> str:
    """A short name for a state of the live regions."""
    return hashlib.sha256("".join(rendered.values()).encode()).hexdigest()[:16]


def _shown(till: Till, view: View, session: Session, place: Place | None) -> dict[str, Any]:
    """All that the templates need. Without a place nobody has just pressed anything, so nothing takes the focus."""
    texts = texts_in(session.language)
    here = place or _HERE
    moment = Moment(session.operator, till.seen, time.time(), "" if here.sheet else here.said)
    opened = sheet(here, till, view, moment, texts)
    return {
        "t": texts, "view": view, "session": session, "request_id": till.request_id, "swap_in": False,
        "strip": strip(view, moment, texts), "alerts": alerts(view, moment, texts),
        "panel": panel(view, moment, texts, till.slip), "sales": sales(view, moment, texts), "sheet": opened,
        "focus": place is not None and opened is None, "supervisors": till.operators.numbers("supervisor"),
    }  # fmt: skip


def _render(name: str, shown: dict[str, Any]) -> str:
    return _environment().get_template(f"{name}.html").render(shown)


def slip_html(text: str) -> Markup:
    """A slip with every wide character exactly two columns wide, whatever fonts the machine has."""
    return Markup("").join(
        Markup("<b>{}</b>").format(character) if unicodedata.east_asian_width(character) in "WFA" else escape(character)
        for character in text
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("terminal.cashier"), autoescape=True, undefined=StrictUndefined, auto_reload=False,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["slip"] = slip_html
    return environment

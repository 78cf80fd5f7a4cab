"""From what the page shows to HTML: whole for a browser that opens it, in regions for one that has it open.

A region is an element with an id that takes the place of the one with the same id. Those that follow the machine come
as updates, in order; those that follow from where somebody went on the page come as the answer to that. No region is
both, so that an answer which was overtaken by an update never puts back what was before it.
"""

import hashlib
import unicodedata
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from terminal.cashier import counter_test
from terminal.cashier.outage import outage
from terminal.cashier.sale import Moment, panel
from terminal.cashier.sales import sales
from terminal.cashier.sessions import Session
from terminal.cashier.sheets import Place, said, sheet
from terminal.cashier.strip import alerts, strip
from terminal.cashier.texts import texts_in
from terminal.cashier.till import Till
from terminal.cashier.words import View

LIVE_REGIONS = ("strip", "alerts", "sale", "sales", "announcer")
PLACE_REGIONS = ("said", "sheet")


def page(till: Till, session: Session, place: Place) -> str:
    """The whole page."""
    view = till.view()
    shown = _live(till, view, session) | _placed(till, view, session, place)
    return _environment().get_template("page.html").render(shown, digest=digest(regions(till, view, session)))


def answer(till: Till, session: Session, place: Place) -> str:
    """The regions that follow from a place, for a page that is open."""
    shown = _placed(till, till.view(), session, place)
    return "".join(_render(name, shown) for name in PLACE_REGIONS)


def regions(till: Till, view: View, session: Session) -> dict[str, str]:
    """The regions that follow the machine, by id."""
    shown = _live(till, view, session)
    return {name: _render(name, shown) for name in LIVE_REGIONS}


def digest(rendered: dict[str, str]) -> str:
    """A short name for a state of the live regions."""
    return hashlib.sha256("".join(rendered.values()).encode()).hexdigest()[:16]


def _live(till: Till, view: View, session: Session) -> dict[str, Any]:
    texts = texts_in(session.language)
    moment = Moment(session.operator, till.seen, till.now())
    return _common(till, view, session) | {
        "strip": strip(view, moment, texts), "alerts": alerts(view, moment, texts),
        "outage": outage(view, session.operator, moment.now, texts),
        "panel": counter_test.panel(view, texts) or panel(view, moment, texts, till.slip),
        "sales": sales(view, moment, texts),
    }  # fmt: skip


def _placed(till: Till, view: View, session: Session, place: Place) -> dict[str, Any]:
    texts = texts_in(session.language)
    opened = sheet(place, till, view, session.operator, texts) if session.operator else None
    return _common(till, view, session) | {
        "said": said(place, texts),
        "sheet": opened,
        "supervisors": till.operators.numbers("supervisor"),
    }


def _common(till: Till, view: View, session: Session) -> dict[str, Any]:
    return {"t": texts_in(session.language), "view": view, "session": session, "request_id": till.request_id}


def _render(name: str, shown: dict[str, Any]) -> str:
    return _environment().get_template(f"{name}.html").render(shown)


def template(name: str, **shown: object) -> str:
    """A page, or a part of one, of its own words."""
    return _environment().get_template(name).render(shown)


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

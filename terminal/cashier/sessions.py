"""Who sits at the browser: the operator who is logged on, and the language. In memory; a restart logs everybody off.

The cookie holds a random name, changed at every log-on, and is named after the terminal: cookies of one address are
shared by all its ports.
"""

import secrets
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

SESSIONS_MAX = 64
_YEAR_S = 365 * 24 * 3600


@dataclass(slots=True)
class Session:
    """One browser. Its tabs share it, so that they agree."""

    token: str
    language: str
    operator: str = ""


class Sessions:
    """The sessions of one terminal's page; the oldest that nobody is logged on to goes when there are too many."""

    def __init__(self, terminal_id: str, language: str) -> None:
        self._cookie = f"cashier_{terminal_id}"
        self._language_cookie = f"language_{terminal_id}"
        self._language = language
        self._sessions: dict[str, Session] = {}

    def of(self, request: Request) -> Session:
        """The session of a request; a new one if it has none."""
        known = self._sessions.get(request.cookies.get(self._cookie, ""))
        return known or self._add(Session("", request.cookies.get(self._language_cookie, self._language)))

    def log_on(self, session: Session, operator: str) -> None:
        """Remember who works here, under a new name of the session."""
        session.operator = operator
        self._sessions.pop(session.token, None)
        self._add(session)

    def attach(self, request: Request, response: Response, session: Session) -> None:
        """Tell the browser what it does not know yet."""
        wanted = {self._cookie: (session.token, None), self._language_cookie: (session.language, _YEAR_S)}
        for name, (value, max_age_s) in wanted.items():
            if request.cookies.get(name) != value:
                response.set_cookie(name, value, max_age=max_age_s, httponly=True, samesite="strict")

    def _add(self, session: Session) -> Session:
        session.token = secrets.token_urlsafe(24)
        self._sessions[session.token] = session
        if len(self._sessions) > SESSIONS_MAX:
            idle = (token for token, other in self._sessions.items() if not other.operator)
            del self._sessions[next(idle, next(iter(self._sessions)))]
        return session

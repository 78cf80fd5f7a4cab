"""Draws the state diagrams of the documentation from the transition tables of the code.

`python -m docs.state_diagrams` rewrites them in `architecture.md`; a test says when that was forgotten.
"""

from collections.abc import Iterable
from pathlib import Path

from host_switch import lifecycle
from terminal import transitions

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "architecture.md"

Arrow = tuple[str, str, str]


def terminal_arrows() -> list[Arrow]:
    """The life of a payment at the terminal: state, what happens, state after."""
    table = transitions.TABLE
    return [(state.value, happening.value, move.to.value) for (state, happening), move in table.items()]


def host_arrows() -> list[Arrow]:
    """The life of a transaction at the host: what the terminal was told, and how we stand with the issuer."""
    return [
        (f"{outcome} / {leg}", happening.value, f"{move.outcome} / {move.leg}")
        for (outcome, leg, happening), move in lifecycle.TABLE.items()
    ]


def mermaid(arrows: Iterable[Arrow]) -> str:
    """Word arrows as a Mermaid state diagram; what leads from a state back to itself is left out for clearness."""
    lines = ["```mermaid", "stateDiagram-v2"]
    names: dict[str, str] = {}
    for state in (state for arrow in arrows for state in (arrow[0], arrow[2])):
        if state not in names:
            names[state] = f"s{len(names)}"
            lines.append(f'    state "{state}" as {names[state]}')
    labels: dict[tuple[str, str], list[str]] = {}
    for before, happening, after in arrows:
        if before != after:
            labels.setdefault((before, after), []).append(happening)
    for (before, after), texts in labels.items():
        lines.append(f"    {names[before]} --> {names[after]}: {', '.join(texts).replace(':', ' –')}")
    return "\n".join([*lines, "```"])


def drawn(page: str) -> str:
    """The page with both diagrams as the tables are now."""
    for name, arrows in (("terminal", terminal_arrows()), ("host", host_arrows())):
        begin, end = f"<!-- {name} states -->\n", f"\n<!-- end of {name} states -->"
        before, rest = page.split(begin)
        page = before + begin + mermaid(arrows) + end + rest.split(end)[1]
    return page


if __name__ == "__main__":
    PAGE.write_text(drawn(PAGE.read_text()))

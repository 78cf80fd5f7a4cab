"""Both catalogues say the same things, and everything that the code can come up with has its sentence.

Reasons, stages and states are collected from the code itself, so that a new one without words fails here.
"""

import ast
import re
import string
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

import paycode.cose
import paycode.signed
from iso8583.response_codes import RESPONSE_CODES, Action
from iso8583.transactions import TYPES
from terminal import counter, magnetic_stripe, offline_codes, payment, selftest
from terminal.cashier import words
from terminal.cashier.texts import LANGUAGES, Texts, texts_in
from terminal.cashier.words import FAMILIES
from terminal.devices.printer_answers import PRINTER_SAYS
from terminal.devices.supervision import NAMES
from terminal.downloads import KINDS
from terminal.emv.faults import CardReason
from terminal.emv.steps import Reason
from terminal.errands import ERRANDS, REMEMBERED
from terminal.key_frames import SENTENCES
from terminal.offline_caps import CARD_USED
from terminal.records import DRAWER_REASONS
from terminal.session import SessionState
from terminal.settlement import Step
from terminal.slip_queue import NO_PRINTER, NO_SLIP
from terminal.transitions import State

TERMINAL = Path(payment.__file__).parent
ZH, EN = (texts_in(language) for language in LANGUAGES)
AFTER_THE_HOST = {"approved_online", "declined_by_issuer", "approval_refused"}
"""Outcomes of a card that the host has been asked about: the payment tells how it ended, not the card."""

OFFLINE_STAGES = {"card_offline", "tap_offline", "card_or_code_offline", "tap_or_code_offline"}

WORD = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")


def words_in(*nodes: ast.AST | None) -> set[str]:
    """Every constant below the nodes that looks like a key."""
    found = (inner.value for node in nodes if node for inner in ast.walk(node) if isinstance(inner, ast.Constant))
    return {value for value in found if isinstance(value, str) and WORD.fullmatch(value)}


def calls(file: str, *names: str) -> Iterator[ast.Call]:
    """Every call of one of these names in a file of terminal/."""
    for node in ast.walk(ast.parse((TERMINAL / file).read_text("utf-8"))):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in names:
                yield node


def arguments(file: str, *names: str) -> set[str]:
    """The keys that are handed to these calls."""
    return {word for call in calls(file, *names) for word in words_in(*call.args, *(k.value for k in call.keywords))}


def returned(file: str, *functions: str) -> set[str]:
    """The keys that these functions return, or all functions of the file."""
    found: set[str] = set()
    for node in ast.walk(ast.parse((TERMINAL / file).read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (not functions or node.name in functions):
            assigned = [inner.value for inner in ast.walk(node) if isinstance(inner, ast.Assign)]
            results = [inner.value for inner in ast.walk(node) if isinstance(inner, ast.Return)]
            found |= words_in(*assigned, *results)
    return found


def drivers() -> list[str]:
    return [f"devices/{path.name}" for path in (TERMINAL / "devices").glob("*.py")]


def reasons_of_devices(*names: str) -> set[str]:
    return set().union(*(arguments(driver, *names) for driver in drivers()))


def assigned(file: str, name: str) -> set[str]:
    """The keys that are assigned to a variable or an attribute of this name, such as ``self._fault``."""
    found = (node for node in ast.walk(ast.parse((TERMINAL / file).read_text("utf-8"))) if isinstance(node, ast.Assign))
    return words_in(*(a.value for a in found if name in {getattr(t, "attr", getattr(t, "id", "")) for t in a.targets}))


def keywords(file: str, call: str, name: str) -> set[str]:
    """The keys that calls of this name are handed under a keyword."""
    return words_in(*(k.value for found in calls(file, call) for k in found.keywords if k.arg == name))


def said_by(file: str) -> set[str]:
    """What the page itself says to a press."""
    form_fields = {"amount", "key", "pin"}
    return (keywords(file, "Place", "said") | assigned(file, "refusal")) - form_fields


PRINTER = {*PRINTER_SAYS} | reasons_of_devices("PrinterTrouble")
SLIPS = {NO_PRINTER, NO_SLIP} | arguments("printing.py", "SlipFailed", "PrinterTrouble")
CARDS = {f"card_{reason}" for reason in {*get_args(CardReason), *get_args(get_args(Reason)[-1])} - AFTER_THE_HOST}
SIGNED = {
    f"signed_{name.lower()}"
    for file in (paycode.signed.__file__, paycode.cose.__file__)
    for name in re.findall(r"Reason\.([A-Z][A-Z_0-9]+)", Path(file).read_text("utf-8"))
}
"""Why a signed code is refused."""
OF_CODE_CAPS = {*offline_codes._OF_CAPS.values(), offline_codes._USED_UP}

FACTS: dict[str, set[str]] = {
    "reason.": (
        returned("offline_caps.py", "refusal_of_sale", "refusal_of_card") | {CARD_USED}
        | returned("risk.py") - set(TYPES) - {"debit", "credit", "none", "repeat"}
        | arguments("counter.py", "_say", "cancel") | returned("refusals.py", "_unauthorised")
        | arguments("payment.py", "cancel") | keywords("payment.py", "_Facts", "reason")
        | returned("payment.py", "_act_cancel")
        | SIGNED | arguments("offline_codes.py", "CodeRefusal") | OF_CODE_CAPS
        | returned("payment_codes.py", "refusal_of") | reasons_of_devices("ScanIgnored", "SwipeFailed")
        | arguments("magnetic_stripe.py", "_FaultError") | returned("magnetic_stripe.py", "refusal_of")
        | {magnetic_stripe.INSERT_CHIP} | arguments("stripe_dialogue.py", "StripeNotTaken")
        | returned("stripe_dialogue.py", "_refusal_of")
        | returned("operators.py", "check") - {"supervisor", "cashier"}
        | arguments("card_dialogue.py", "MeansFailed", "CardGone") | CARDS | reasons_of_devices("CardGone", "throw_out")
        | {"no_means", *counter.MISSED.values()}
        | {f"printer_{reason}" for reason in PRINTER | SLIPS}
        | said_by("cashier/counter_test.py") | arguments("runner.py", "Notice")
        | said_by("cashier/routes.py") | returned("cashier/till.py", "carry_out")
    ),
    "device_reason.": (
        PRINTER | (reasons_of_devices("DeviceHealth", "_set_health", "_try_again")
        | arguments("runner.py", "DeviceHealth")
        | assigned("devices/scanner_camera.py", "_state")
        | assigned("devices/supervision.py", "reason")
        | arguments("devices/speaker_espeak.py", "_trouble", "DeviceError")
        | assigned("devices/card_reader_vpcd.py", "_fault")
        | arguments("devices/card_reader_pcsc.py", "_blame")
        | assigned("devices/card_reader_pcsc_link.py", "_REASONS")
        | arguments("devices/card_reader_pcsc_link.py", "_LostError")) - {"ready", "attention", "unknown", "errno"}
    ),
    "selftest.": {
        *get_args(selftest.State), *arguments("cashier/counter_test.py", "f"), "result_passed", "result_failed",
        *(f"{name}_now" for name in ("card_reader", "contactless_reader", "stripe_reader", "scanner")),
    },
    "selftest_reason.": arguments("selftest.py", "_Failed", "_Skipped", "_for_a_person") - {"card_mute"},
    "device.": {*NAMES},
    "stage.": (
        arguments("card_dialogue.py", "Progress") | arguments("runner.py", "Progress")
        | arguments("stripe_dialogue.py", "Progress") | assigned("counter.py", "stage")
        | {"chip", *words.ASKED_FOR.values(), *OFFLINE_STAGES}
    ),
    "display.": {
        *words.ASKED_FOR.values(), *OFFLINE_STAGES, "insert_chip", "insert_again", "use_stripe", "tap",
        "insert_instead", "host_tapped",
    },
    "state.": {state.value.replace(" ", "_") for state in State},
    "session.": {state.value.replace(" ", "_") for state in SessionState},
    "session_refusal.": arguments("runner.py", "KeysLoaded") | {"host", "bad_mac", "no_mac"} | set(SENTENCES),
    "clock.": returned("host_time.py", "trouble"),
    "line.": (
        assigned("host_link.py", "reason") | returned("host_link.py", "_reason_of")
        | returned("session.py", "_doubt_about") - {"good"} | {"lost", "no_answer"}
    ),
    "order.": (
        {*REMEMBERED.values(), *(errand.order for errand in ERRANDS.values())} | {f"{kind}_refused" for kind in KINDS}
    ),
    "settlement.": {step.value.replace(" ", "_") for step in Step if step is not Step.IDLE},
    "action.": {str(action) for action in Action},
    "reversal_reason.": {payment.NO_ANSWER, payment.BAD_MAC, payment.CARD_REFUSED},
    "drawer.": set(DRAWER_REASONS),
    "family.": set(FAMILIES.values()),
}  # fmt: skip


@pytest.mark.parametrize("section", FACTS)
def test_everything_that_the_code_comes_up_with_has_words(section: str) -> None:
    assert FACTS[section], "nothing was collected: the code has moved"
    assert {f"{section}{name}" for name in FACTS[section]} - EN.keys == set()


@pytest.mark.parametrize(
    "section", ["reason.", "device_reason.", "order.", "line.", "clock.", "action.", "reversal_reason."]
)
def test_no_sentence_is_left_of_what_is_gone(section: str) -> None:
    spoken = {key for key in EN.keys if key.startswith(section)}
    done = {f"{section}other", "reason.reprinting", "reason.sending_now", "reason.drawer_opening"}
    assert spoken - {f"{section}{name}" for name in FACTS[section]} - done == set()


def test_every_state_of_every_kind_of_payment_says_what_it_means_for_the_money() -> None:
    asked = {state.value.replace(" ", "_") for state in State} - {"started", "completing", "advice_due"}
    shown = dict.fromkeys(FAMILIES.values(), asked) | {"offline": {"advice_due", "approved", "declined", "cancelled"}}
    results = {f"result.{family}.{state}" for family, states in shown.items() for state in states}
    wanted = results | {f"{result}_money" for result in results}
    assert wanted - EN.keys == set()


def test_every_payment_type_that_the_page_may_meet_has_a_family() -> None:
    moved_or_asked = {name for name, kind in TYPES.items() if kind.direction != "none"} | {"balance_inquiry"}
    assert moved_or_asked == set(FAMILIES)


def test_both_languages_have_the_same_keys() -> None:
    assert ZH.keys == EN.keys


def test_both_languages_say_the_same_facts() -> None:
    assert {key: facts_in(ZH, key) for key in ZH.keys} == {key: facts_in(EN, key) for key in EN.keys}


def test_chinese_is_chinese_and_english_is_english() -> None:
    foreign = {"language", "page.language_switch"}
    assert [key for key in EN.keys - foreign if re.search(r"[\u4e00-\u9fff]", words_of(EN, key))] == []
    latin = {key for key in ZH.keys - foreign if not re.search(r"[\u4e00-\u9fff]", words_of(ZH, key))}
    assert latin == set()


def test_every_reason_is_a_whole_sentence() -> None:
    said = {key: words_of(EN, key) for key in EN.keys if key.startswith(("reason.", "action.", "order."))}
    assert [key for key, words in said.items() if not re.fullmatch(r"[A-Z].*\.", words)] == []


@pytest.mark.parametrize("code", [*RESPONSE_CODES, "ZZ", ""])
def test_no_response_code_is_said_alone(code: str) -> None:
    assert re.search(r"[a-z]{3}", EN.sentence(code))
    assert re.search(r"[\u4e00-\u9fff]{2}.*。$", ZH.sentence(code))


def test_an_unforeseen_reason_is_said_with_what_service_needs() -> None:
    assert EN.either("reason", "gremlins") == EN("reason.other", reason="gremlins")
    assert "gremlins" in ZH.either("device_reason", "gremlins")


def test_money_has_its_sign_and_its_minor_digits() -> None:
    assert str(EN.money(123450, "156")) == "¥1,234.50"
    assert str(EN.money(-5, "156")) == "\N{MINUS SIGN}¥0.05"
    assert EN.money(1234, "392").figures == "1,234"


def test_time_is_relative_while_fresh_then_shop_time() -> None:
    noon = 1_700_000_000.0 - 1_700_000_000 % 86_400 + 4 * 3600  # 12:00 in a shop at UTC+8
    assert EN.when(noon, noon + 30, 480) == "just now"
    assert EN.when(noon, noon + 150, 480) == "2 min ago"
    assert EN.when(noon, noon + 601, 480) == "12:00"
    assert EN.when(noon, noon - 3600, 480) == "12:00"


def facts_in(texts: Texts, key: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(words_of(texts, key)) if name}


def words_of(texts: Texts, key: str) -> str:
    return texts._entries[key]

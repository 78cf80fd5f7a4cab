"""Public keys, applications and the black list at the counter: fetched whole, proven, kept, and only then told."""

from collections.abc import Callable
from itertools import pairwise

import pytest

from firmware_config.profile import HostEndpoint, Offline
from iso8583 import Message
from iso8583.unionpay_fields.field62_downloads import Application62, BlackList62, List62, Name62
from terminal.downloads import Download, application, ca_key
from terminal.effects import Effect, KeepDownload
from terminal.emv.parameters import Application
from terminal.errands import REST_AFTER_REFUSAL_S, REST_S
from terminal.events import CancelRequested, DownloadKept, DownloadsLoaded, MacState, Received, SaleRequested, Tick
from tests.iso8583.downloads import APPLICATION, APPLICATION_WIRE, CARDS, KEY, KEY_WIRE, RID, VECTORS
from tests.terminal.rig import PROFILE, Till, from_host, ready_till
from tests.terminal.test_errands import asked, codes, echo_answer, lived

Answer = bytes | str
"""Field 62 of an answer; or the code of a refusal."""

CA_KEYS, APPLICATIONS, BLACK_LIST = "4", "5", "7"
KEY_LIST, APPLICATION_LIST = List62((KEY.name,)).to_bytes(), List62((Name62(APPLICATION.aid),)).to_bytes()
CARD_LIST = BlackList62(CARDS).to_bytes()
LOOPS = {
    CA_KEYS: ((KEY_LIST, KEY_WIRE), Download("ca_keys", (KEY_WIRE,))),
    APPLICATIONS: ((APPLICATION_LIST, APPLICATION_WIRE), Download("applications", (APPLICATION_WIRE,))),
    BLACK_LIST: ((CARD_LIST,), Download("black_list", tuple(card.encode() for card in CARDS))),
}
CODES = {CA_KEYS: ["372", "370", "371"], APPLICATIONS: ["382", "380", "381"], BLACK_LIST: ["390", "391"]}
LOOP = pytest.mark.parametrize("digit", LOOPS)


def reply(request: Message, brought: Answer = b"", mac: MacState = "good", **changed: str) -> Received:
    """The host's answer to a question of a download."""
    fields: dict[int, str | bytes] = {number: request[number] for number in (11, 41, 42, 60)}
    fields |= {39: brought} if isinstance(brought, str) else {39: "00"} | ({62: brought} if brought else {})
    return from_host(request.response(fields | {int(name[1:]): value for name, value in changed.items()}), mac)


def brought(till: Till, *answers: Answer) -> list[Effect]:
    """Let a download get these answers, one after the other; the effects of the last."""
    for answer in answers:
        till.on(reply(till.sent(), answer))
    return till.effects


def kept(effects: list[Effect]) -> Download:
    """The one set that is to be kept, and nothing is said before it is."""
    (effect,) = effects
    assert isinstance(effect, KeepDownload)
    return effect.download


# --- a loop -----------------------------------------------------------------------------------------------------------


@LOOP
def test_set_is_fetched_whole_and_kept_before_the_host_is_told(digit):
    till, (answers, download) = asked(ready_till(), digit), LOOPS[digit]
    seen = codes(till.effects)
    for answer in answers:
        effects = till.on(reply(till.sent(), answer))
        seen += codes(effects)
    assert kept(effects) == download
    assert [code for *_, code in (each.split("/") for each in seen)] == CODES[digit][:-1]
    told = till.on(DownloadKept(download.kind))
    assert codes(told) == [f"0800/{CODES[digit][-1]}"] and 62 not in till.sent()
    assert till.on(reply(till.sent())) == [] and till.counter.errands.orders == ()
    assert lived(till, REST_S - 10, digit) == []


def test_questions_say_how_much_has_come_and_number_themselves():
    till = asked(ready_till(), CA_KEYS)
    first = till.sent()
    names = (KEY.name, Name62(RID, 2))
    brought(till, List62(names[:1], more=True).to_bytes())
    assert (first[62], till.sent()[62]) == (b"100", b"101")
    assert int(till.sent().text(11)) == int(first.text(11)) + 1
    brought(till, List62(names[1:]).to_bytes())
    assert till.sent()[62] == KEY.name.asked().to_bytes()
    brought(till, KEY_WIRE)
    assert till.sent()[62] == names[1].to_bytes()


def test_black_list_comes_page_after_page():
    till = asked(ready_till(), BLACK_LIST)
    brought(till, BlackList62(CARDS[:1], more=True).to_bytes())
    assert till.sent()[62] == b"001"
    assert kept(brought(till, BlackList62(CARDS[1:]).to_bytes())) == LOOPS[BLACK_LIST][1]


def test_empty_black_list_takes_all_cards_from_it():
    assert kept(brought(asked(ready_till(), BLACK_LIST), b"0000")) == Download("black_list", ())


def test_numbers_of_blocked_cards_are_not_shown():
    till = asked(ready_till(), BLACK_LIST)
    effects = brought(till, CARD_LIST)
    shown = repr(effects) + repr(till.counter.errands._under_way) + repr(kept(effects))
    assert not any(card in shown for card in CARDS)


def test_three_downloads_are_fetched_one_after_the_other():
    till = ready_till()
    for digit in LOOPS:
        till.on(echo_answer(digit))
    for digit, (answers, download) in LOOPS.items():
        till.on(reply(asked_for(till), answers[0]) if digit == CA_KEYS else reply(till.sent(), answers[0]))
        brought(till, *answers[1:])
        till.on(DownloadKept(download.kind))
        till.on(reply(till.sent()))
    assert till.counter.errands.orders == () and codes(till.effects) == []


def asked_for(till: Till) -> Message:
    """The question that waits for an answer."""
    waits = till.counter.errands._under_way
    assert waits is not None
    return waits.asked


# --- not taken --------------------------------------------------------------------------------------------------------

OTHER = next(vector for vector in VECTORS if vector["index"] == "02")
OTHER_KEY = KEY_WIRE.replace(bytes.fromhex("9F220101"), bytes.fromhex("9F220102"))
NOT_TAKEN: dict[str, tuple[str, tuple[Answer, ...]]] = {
    "a refusal": (CA_KEYS, ("12",)),
    "a refusal half way": (APPLICATIONS, (APPLICATION_LIST, "30")),
    "no keys": (CA_KEYS, (b"0",)),
    "no applications": (APPLICATIONS, (b"0",)),
    "nothing in the answer": (CA_KEYS, (b"",)),
    "nonsense for a list": (CA_KEYS, (b"nonsense",)),
    "nonsense for cards": (BLACK_LIST, (b"1001",)),
    "a damaged key": (CA_KEYS, (KEY_LIST, KEY_WIRE[:-1] + bytes([KEY_WIRE[-1] ^ 1]))),
    "another key": (CA_KEYS, (List62((Name62(RID, 2),)).to_bytes(), KEY_WIRE)),
    "a key on the list twice": (CA_KEYS, (List62((KEY.name, KEY.name)).to_bytes(),)),
    "a page again": (BLACK_LIST, (BlackList62(CARDS, more=True).to_bytes(), BlackList62(CARDS).to_bytes())),
    "another application": (APPLICATIONS, (List62((Name62(RID),)).to_bytes(), APPLICATION_WIRE)),
    "an application with a short code": (
        APPLICATIONS,
        (
            APPLICATION_LIST,
            APPLICATION_WIRE.replace(bytes.fromhex("DF1105D84000A800"), bytes.fromhex("DF1104D84000A8")),
        ),
    ),
    "a key too many": (
        CA_KEYS,
        tuple(
            List62(tuple(Name62(RID, at) for at in range(first, first + 33)), more=True).to_bytes() for first in (0, 33)
        ),
    ),
}


@pytest.mark.parametrize("case", NOT_TAKEN)
def test_what_is_wrong_with_one_part_refuses_all(case):
    digit, answers = NOT_TAKEN[case]
    till = asked(ready_till(), digit)
    assert brought(till, *answers) == []
    assert till.counter.errands.orders == (f"download_{LOOPS[digit][1].kind}",)
    assert lived(till, REST_AFTER_REFUSAL_S - 10, digit) == [] and till.counter.session.ready


def test_list_without_end_is_given_up():
    till = asked(ready_till(), BLACK_LIST)
    pages = 0
    while till.effects:
        page = BlackList62(tuple(f"629999{pages * 24 + at:010d}" for at in range(24)), more=True)
        brought(till, page.to_bytes())
        pages += 1
    assert pages == 42 and till.counter.errands.orders == ("download_black_list",)


def test_disk_that_does_not_take_the_set_leaves_the_host_untold():
    till = asked(ready_till(), BLACK_LIST)
    brought(till, CARD_LIST)
    assert till.on(DownloadKept("black_list", kept=False)) == []
    assert till.counter.errands.orders == ("download_black_list",)


def test_answer_that_comes_again_while_the_disk_is_busy_changes_nothing():
    till = asked(ready_till(), BLACK_LIST)
    again = reply(till.sent(), CARD_LIST)
    till.on(again)
    assert till.on(again) == []
    assert codes(till.on(DownloadKept("black_list"))) == ["0800/391"]


# --- trust ------------------------------------------------------------------------------------------------------------


@LOOP
@pytest.mark.parametrize("mac", ["absent", "bad"])
def test_answer_without_a_good_mac_brings_nothing_and_the_true_one_still_counts(digit, mac):
    till, (answers, _) = asked(ready_till(), digit), LOOPS[digit]
    question = till.sent()
    effects = till.on(reply(question, answers[0], mac))
    assert not any(isinstance(effect, KeepDownload) for effect in effects)
    if mac == "bad":  # the two sides may have other keys
        assert codes(effects) == ["0800/004"]
    else:
        assert effects == [] and till.on(reply(question, answers[0])) != []


def test_host_that_sends_no_mac_is_asked_ever_more_rarely_and_shown():
    till = asked(ready_till(), BLACK_LIST)
    times = [till.now]
    for _ in range(6 * 3600 // 10):
        till.on(reply(asked_for(till), CARD_LIST, "absent") if till.now == times[-1] else echo_answer(BLACK_LIST))
        if "0800/390" in codes(till.wait(10)):
            times.append(till.now)
    pauses = [after - before for before, after in pairwise(times)]
    assert pauses == sorted(pauses) and pauses[-1] >= 3600
    assert till.counter.errands.orders == ("download_black_list",)


def without_mac() -> Till:
    """A till whose profile believes hosts that send none."""
    return Till(profile=PROFILE.model_copy(update={"host": HostEndpoint(downloads_without_mac=True)})).sign_on()


@LOOP
def test_profile_may_believe_a_host_that_sends_no_mac_and_no_number(digit):
    till, (answers, download) = asked(without_mac(), digit), LOOPS[digit]
    for answer in answers:
        said = reply(till.sent(), answer, "absent").message
        effects = till.on(from_host(said.without(11), "absent"))
    assert kept(effects) == download


def test_a_wrong_mac_is_believed_nowhere():
    till = asked(without_mac(), BLACK_LIST)
    assert not any(isinstance(effect, KeepDownload) for effect in till.on(reply(till.sent(), CARD_LIST, "bad")))


def test_last_page_in_place_of_the_first_is_not_taken_for_it():
    """Whoever keeps a page, and sends it instead of the one that was asked for, would cut the list short."""
    till = asked(ready_till(), BLACK_LIST)
    first = till.sent()
    brought(till, BlackList62(CARDS[:1], more=True).to_bytes())
    last = reply(till.sent(), BlackList62(CARDS[1:]).to_bytes())
    till.on(SaleRequested("a", 2500, "01"))
    assert till.counter.payments.current is not None
    till.on(CancelRequested(till.counter.payments.current), after_s=10)
    assert codes(till.effects) == ["0800/390"] and till.sent()[11] != first[11]
    assert till.on(last) == []
    assert till.on(from_host(last.message.without(11))) == []


# --- between payments, and after a start ------------------------------------------------------------------------------


@LOOP
def test_payment_sets_a_download_aside_which_then_begins_anew(digit):
    till, (answers, download) = asked(ready_till(), digit), LOOPS[digit]
    late = reply(till.sent(), answers[0])
    till.on(SaleRequested("a", 2500, "01"))
    assert till.counter.busy and till.on(late) == [] and till.on(DownloadKept(download.kind)) == []
    assert till.counter.payments.current is not None
    effects = till.on(CancelRequested(till.counter.payments.current), after_s=6)
    assert [each.split("/")[1] for each in codes(effects)] == CODES[digit][:1]


def test_lost_answer_is_asked_for_again_from_the_beginning():
    till = asked(ready_till(), CA_KEYS)
    brought(till, KEY_LIST)
    effects = till.wait(60)
    assert "0820/372" in codes(effects)


def test_set_that_cannot_be_trusted_is_shown_and_fetched_without_being_told():
    till = Till()
    till.on(DownloadsLoaded(("black_list",)))
    assert till.counter.errands.orders == ("black_list_refused",)
    till.sign_on()
    assert codes(till.effects) == ["0800/390"]
    brought(till, CARD_LIST)
    told = till.on(DownloadKept("black_list"))
    assert codes(told) == ["0800/391"] and not till.counter.errands.orders


def test_what_was_read_again_and_found_good_is_shown_no_more():
    till = Till()
    till.on(DownloadsLoaded(("ca_keys", "black_list")))
    till.on(DownloadsLoaded())
    assert till.counter.errands.orders == ()


def test_set_that_is_too_old_for_offline_sales_is_fetched_without_being_told():
    till = Till(profile=PROFILE.model_copy(update={"offline": Offline(lists_age_max_s=86_400)}))
    till.on(DownloadsLoaded(at={"black_list": till.now - 86_399, "applications": till.now - 86_400}))
    till.sign_on()
    assert codes(till.effects) == ["0820/382"], "of keys, what was shipped does not grow old"


def test_a_black_list_that_offline_sales_need_is_fetched_if_there_was_never_one():
    till = Till(profile=PROFILE.model_copy(update={"offline": Offline(lists_age_max_s=86_400)})).sign_on()
    assert codes(till.effects) == ["0800/390"]
    brought(till, CARD_LIST)
    till.on(DownloadsLoaded(at={"black_list": till.now}))
    till.on(DownloadKept("black_list"))
    brought(till, b"")
    assert "0800/390" not in codes(till.on(Tick(), after_s=59)), "it is there, and new"
    assert "0800/390" in codes(till.on(Tick(), after_s=86_400)), "until it is old"


# --- what the kernel gets ---------------------------------------------------------------------------------------------


def test_public_key_is_that_of_the_wire():
    key = ca_key(KEY_WIRE)
    assert (key.rid, key.index, key.key.modulus, key.key.exponent, key.expires) == (RID, 1, KEY.modulus, 3, "20301231")


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (lambda wire: wire, Application(APPLICATION.aid)),
        (lambda wire: wire[: wire.index(b"\xdf\x19")], Application(APPLICATION.aid)),
        (lambda wire: wire.replace(b"\xdf\x01\x01\x01", b"\xdf\x01\x01\x00"), Application(APPLICATION.aid, False)),
    ],
)
def test_application_is_that_of_the_wire(changed: Callable[[bytes], bytes], expected: Application):
    """The golden application is the one that is shipped."""
    assert application(changed(APPLICATION_WIRE)) == expected


def test_limits_of_an_application_come_in_their_places():
    sent = Application62(
        RID, True, b"\0\x20", bytes([1] * 5), bytes([2] * 5), bytes([3] * 5), 4, 5, 90, 60, b"\x9f\x37\x04", 7, 8, 9
    )
    got = application(sent.to_bytes())
    assert (got.tac_default.to_bytes(5), got.tac_online.to_bytes(5), got.tac_denial.to_bytes(5)) == (
        sent.tac_default, sent.tac_online, sent.tac_denial,
    )  # fmt: skip
    assert (got.floor_limit, got.random_threshold, got.random_max_percent, got.random_target_percent) == (4, 5, 90, 60)
    assert (got.contactless_floor_limit, got.contactless_limit, got.contactless_cvm_limit) == (7, 8, 9)
    assert got.version == b"\0\x20"

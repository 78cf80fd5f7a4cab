"""What a counter does all day, from the cashier's press to the slip, through every real part."""

import pytest

from terminal.events import CancelRequested, SaleRequested
from terminal.records import Key
from tests.in_a_loop import in_a_loop
from tests.shop.rig import OPENING_BALANCE, PIN, Refused, shop

CODE = "6288123456789012345"


@in_a_loop
async def test_a_chip_sale_with_pin_ends_as_a_slip(tmp_path):
    async with shop(tmp_path) as s:
        sale = await s.sell_by_card(2500)
        assert sale["state"] == "approved"
        assert s.balance_of("good") == OPENING_BALANCE - 2500
        merchant_copy, cardholder_copy = s.slips
        for slip in (merchant_copy, cardholder_copy):
            assert "6299 99** **** 0017 I" in slip
            assert "消费/SALE" in slip
            assert "RMB 25.00" in slip
            assert f"AUTH NO            {sale['authorisation']}" in slip
            assert f"VOUCHER NO         {sale['trace']}" in slip
            assert f"REF. NO  {sale['reference']}" in slip
            assert "晨光便利店" in slip
            assert "ARQC" in slip and "TC " in slip
            assert "DUPLICATE" not in slip
        assert "商户存根 MERCHANT COPY" in merchant_copy
        assert "持卡人存根 CARDHOLDER COPY" in cardholder_copy
        await s.prove()


@pytest.mark.parametrize(
    ("card", "pin", "code"), [("good", "000000", "55"), ("insufficient_funds", PIN, "51"), ("lost", PIN, "41")]
)
@in_a_loop
async def test_a_refusal_of_the_issuer_reaches_the_counter(tmp_path, card, pin, code):
    async with shop(tmp_path) as s:
        payment = await s.sell_by_card(2500, card=card, pin=pin)
        assert (payment["state"], payment["response_code"]) == ("declined", code)
        assert s.balance_of(card) == OPENING_BALANCE
        assert s.slips == []
        await s.prove()


@in_a_loop
async def test_the_third_wrong_pin_is_the_last(tmp_path):
    async with shop(tmp_path) as s:
        codes = [(await s.sell_by_card(100, pin="000000"))["response_code"] for _ in range(3)]
        codes.append((await s.sell_by_card(100))["response_code"])
        assert codes == ["55", "55", "55", "75"]
        await s.prove()


@in_a_loop
async def test_a_right_pin_makes_good_for_wrong_ones(tmp_path):
    async with shop(tmp_path) as s:
        codes = [(await s.sell_by_card(100, pin=pin))["response_code"] for pin in ("0000", "0000", PIN, "1111")]
        assert codes == ["55", "55", "00", "55"]
        await s.prove()


@in_a_loop
async def test_a_card_pulled_out_ends_the_sale_before_anything_is_sent(tmp_path):
    async with shop(tmp_path) as s:
        payment = await s.sell_by_card(2500, card="pulled_out", pin="")
        assert (payment["state"], payment["reason"]) == ("cancelled", "card_removed")
        assert s.books().transactions == ()
        assert (await s.sell_by_card(2500))["state"] == "approved"
        await s.prove()


@in_a_loop
async def test_a_card_that_refuses_after_the_approval_pays_nothing(tmp_path):
    async with shop(tmp_path) as s:
        payment = await s.sell_by_card(2500, card="refuses_approvals")
        assert (payment["state"], payment["reason"]) == ("reversed", "06")
        assert s.slips == []
        await s.prove()
        assert s.balance_of("refuses_approvals") == OPENING_BALANCE


@in_a_loop
async def test_a_customer_who_cancels_at_the_pin_pad_pays_nothing(tmp_path):
    async with shop(tmp_path) as s:
        key = await s.charge(2500)
        s.pin_pad.script(["1", "2", "cancel"])
        await s.present("good", pin="")
        payment = await s.until_final(key)
        assert payment["state"] == "cancelled"
        assert s.books().transactions == ()
        await s.prove()


@in_a_loop
async def test_the_card_of_the_sale_before_does_not_pay_for_the_next(tmp_path):
    async with shop(tmp_path) as s:
        first = await s.charge(1000)
        await s.present("good")
        await s.until_final(first)
        second = await s.charge(2000)
        await s.until(lambda view: view["current"] and view["current"]["stage"] == "remove_card")
        await s.take_card()
        await s.until(lambda view: view["current"] and view["current"]["stage"] == "card_or_code")
        await s.present("golden")
        assert (await s.until_final(second))["means"].endswith("0009")
        await s.prove()


@in_a_loop
async def test_a_card_left_in_the_slot_is_asked_to_be_taken_also_after_a_sale_that_was_given_up(tmp_path):
    async with shop(tmp_path) as s:
        first = await s.charge(1000)
        await s.present("good")
        await s.until_final(first)
        for _ in range(2):
            key = await s.charge(2000)
            await s.until(lambda view: view["current"] and view["current"]["stage"] == "remove_card")
            s.post(CancelRequested(Key.parse(key)))
            await s.until_final(key)
        third = await s.charge(3000)
        await s.until(lambda view: view["current"] and view["current"]["stage"] == "remove_card")
        await s.take_card()
        await s.present("golden")
        assert (await s.until_final(third))["state"] == "approved"
        await s.prove()


@in_a_loop
async def test_a_sale_by_code_ends_as_a_slip_and_its_code_is_used_up(tmp_path):
    async with shop(tmp_path) as s:
        sale = await s.sell_by_code(1000, CODE)
        assert (sale["type"], sale["state"], sale["means"]) == ("qr_sale", "approved", "62*************2345")
        assert s.issuer.balance("6288") == OPENING_BALANCE - 1000
        assert "扫码支付签购单" in s.slips[0]
        assert CODE not in "".join(s.slips)
        await s.stop_terminal()
        await s.restart_terminal()  # else its scanner takes the same code for one scan
        again = await s.sell_by_code(1000, CODE)
        assert (again["state"], again["response_code"]) == ("declined", "22")
        assert s.issuer.balance("6288") == OPENING_BALANCE - 1000
        await s.prove()


@pytest.mark.parametrize("scan", [False, True])
@in_a_loop
async def test_a_void_gives_everything_back_once(tmp_path, scan):
    async with shop(tmp_path) as s:
        sale = await (s.sell_by_code(2500, CODE) if scan else s.sell_by_card(2500))
        back = await s.void(sale["key"])
        assert back["state"] == "approved"
        assert "撤销" in s.slips[-1]
        assert "-25.00" in s.slips[-1]
        with pytest.raises(Refused, match="already_voided"):
            await s.void(sale["key"])
        await s.prove()
        assert s.balance_of("good") == s.issuer.balance("6288") == OPENING_BALANCE


@pytest.mark.parametrize("scan", [False, True])
@in_a_loop
async def test_refunds_give_back_parts_until_nothing_is_left(tmp_path, scan):
    async with shop(tmp_path) as s:
        sale = await (s.sell_by_code(2500, CODE) if scan else s.sell_by_card(2500))
        for amount in (1000, 1000, 500):
            assert (await s.refund(sale["key"], amount))["state"] == "approved"
        with pytest.raises(Refused, match="refund_exceeds_sale"):
            await s.refund(sale["key"], 1)
        with pytest.raises(Refused, match="already_refunded"):
            await s.void(sale["key"])
        await s.prove()
        assert s.balance_of("good") == s.issuer.balance("6288") == OPENING_BALANCE


@in_a_loop
async def test_a_sale_of_an_earlier_batch_can_be_refunded(tmp_path):
    async with shop(tmp_path) as s:
        sale = await s.sell_by_card(2500)
        await s.settle()
        assert (await s.refund(sale["key"], 2000))["state"] == "approved"
        with pytest.raises(Refused, match="refund_exceeds_sale"):
            await s.refund(sale["key"], 501)
        await s.prove()


@in_a_loop
async def test_a_balance_inquiry_moves_nothing(tmp_path):
    async with shop(tmp_path) as s:
        payment = await s.balance()
        assert (payment["state"], payment["balance"]) == ("approved", OPENING_BALANCE)
        assert s.slips == []
        await s.prove()


@in_a_loop
async def test_the_same_press_twice_is_one_sale(tmp_path):
    async with shop(tmp_path) as s:
        for _ in range(3):
            s.post(SaleRequested("pressed-once", 2500, "01"))
        await s.until(lambda view: view["current"])
        await s.present("good")
        await s.until(lambda view: view["payments"][0]["final"])
        s.post(SaleRequested("pressed-once", 2500, "01"))
        with pytest.raises(Refused, match="amount_zero"):
            await s.charge(0)
        assert len(s.runner.view()["payments"]) == 1
        await s.prove()


CREDIT_ACCOUNT = "6299990000000249"


async def asked_which_pays(s):
    key = await s.charge(2500)
    await s.present("two_accounts")
    view = await s.until(lambda view: view["current"] and view["current"]["stage"] == "choose")
    assert view["current"]["choices"] == ["PBOC DEBIT", "PBOC CREDIT"]
    return key


@in_a_loop
async def test_the_account_that_the_customer_chose_is_charged(tmp_path):
    async with shop(tmp_path) as s:
        key = await asked_which_pays(s)
        assert not s.runner.choose_application("10000001-000001-999999", 2, "PBOC CREDIT")
        assert s.runner.choose_application(key, 2, "PBOC CREDIT")
        assert not s.runner.choose_application(key, 1, "PBOC DEBIT")
        assert (await s.until_final(key))["state"] == "approved"
        assert s.issuer.balance(CREDIT_ACCOUNT) == OPENING_BALANCE - 2500
        assert s.balance_of("two_accounts") == OPENING_BALANCE
        assert not s.runner.choose_application(key, 2, "PBOC CREDIT")
        await s.take_card()
        await s.prove()


@in_a_loop
async def test_cancelled_while_the_customer_chooses(tmp_path):
    async with shop(tmp_path) as s:
        key = await asked_which_pays(s)
        s.post(CancelRequested(Key.parse(key)))
        assert (await s.until_final(key))["state"] == "cancelled"
        assert not s.runner.choose_application(key, 1, "PBOC DEBIT")
        await s.take_card()
        await s.prove()


@in_a_loop
async def test_nobody_chooses_in_time(tmp_path):
    async with shop(tmp_path, settings="[limits]\nmeans_timeout_s = 1.0") as s:
        key = await asked_which_pays(s)
        payment = await s.until_final(key)
        assert (payment["state"], payment["reason"]) == ("cancelled", "no_choice")
        await s.take_card()
        await s.prove()


@in_a_loop
async def test_a_restart_while_the_customer_chooses(tmp_path):
    async with shop(tmp_path) as s:
        key = await asked_which_pays(s)
        await s.stop_terminal()
        await s.take_card()
        await s.restart_terminal()
        assert (s.payment(key)["state"], s.payment(key)["reason"]) == ("cancelled", "restarted")
        await s.prove()

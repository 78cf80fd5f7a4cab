"""The kernel's bench goes through whole sales, and they end as they should."""

from bench.emv_kernel import contact_sale_with_cda, tapped_sale_with_fdda


def test_contact_sale_is_whole() -> None:
    script = contact_sale_with_cda()
    assert script.run() == "approved_online"
    assert len(script.answers) == 15 + 2  # commands; the PIN, the host


def test_tapped_sale_is_whole() -> None:
    assert tapped_sale_with_fdda().run() == "approved_offline"


def test_every_round_is_timed() -> None:
    times = contact_sale_with_cda().times_s(3)
    assert len(times) == 3
    assert min(times) > 0

"""A profile names a model that there is, and paper that the model can print on."""

import pytest
from pydantic import ValidationError

from firmware_config.printer_models import MODELS
from firmware_config.profile import Devices


def test_without_a_word_about_it_a_printer_is_what_it_always_was() -> None:
    devices = Devices(printer_address="192.0.2.7")
    assert (devices.printer_kind, devices.printer_port, devices.paper_columns) == ("tcp", 9100, 32)
    assert MODELS[devices.printer_model].draws_qr


@pytest.mark.parametrize("name", MODELS)
def test_every_model_prints_on_58_mm_paper_and_none_beyond_80(name: str) -> None:
    assert 32 <= MODELS[name].columns <= 48
    assert Devices(printer_model=name, paper_columns=MODELS[name].columns).printer_model == name


def test_an_unknown_model_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ValidationError, match=r"printer_model must be one of generic, .*TM-T88V"):
        Devices(printer_model="Gutenberg")


def test_paper_wider_than_the_model_prints_is_refused() -> None:
    with pytest.raises(ValidationError, match="paper_columns: POS-5890 prints 32"):
        Devices(printer_model="POS-5890", paper_columns=48)

"""What receipt printers differ in, by the name of the model. A new one is a row in `MODELS`.

The facts are those of python-escpos 3.1's capability profiles (MIT licence), and the names are its names. The package
itself brings ten others, and keeps a pickled cache in a folder that anybody may write to; a table does not.
"""

from dataclasses import dataclass
from typing import Literal

CodePage = Literal["gb18030", "cp437"]


@dataclass(frozen=True, slots=True)
class PrinterModel:
    """One model: characters of 12 dots to a line, what it prints, and whether it draws QR codes and cuts paper itself.

    `code_page` cp437 is for a printer without a Chinese font: it gets the English half of a slip.
    """

    columns: int
    draws_qr: bool = True
    cuts: bool = True
    code_page: CodePage = "gb18030"


MODELS: dict[str, PrinterModel] = {
    "generic": PrinterModel(48),
    "generic-no-chinese": PrinterModel(48, code_page="cp437"),
    "CT-S651": PrinterModel(48),
    "KR-306": PrinterModel(48),
    "NT-5890K": PrinterModel(32, draws_qr=False, cuts=False),
    "NT-80-V-UL": PrinterModel(48),
    "P822D": PrinterModel(42),
    "POS-5890": PrinterModel(32, draws_qr=False, cuts=False),
    "RP-F10-58mm": PrinterModel(36),
    "RP-F10-80mm": PrinterModel(48),
    "Sunmi-V2": PrinterModel(32, cuts=False),
    "T-1": PrinterModel(42),
    "TH230": PrinterModel(44, draws_qr=False),
    "TM-L90": PrinterModel(48),
    "TM-P80": PrinterModel(42),
    "TM-T20II": PrinterModel(48),
    "TM-T88III": PrinterModel(42),
    "TM-T88IV": PrinterModel(42),
    "TM-T88V": PrinterModel(42),
    "ZJ-5870": PrinterModel(32, draws_qr=False, cuts=False),
}
"""Paper of 58 mm has 32 columns, or 36 where the head is wider; paper of 80 mm 42 (180 dpi) to 48."""

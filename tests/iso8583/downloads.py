"""What download loops carry, and its bytes built by hand: a published key, an application, cards."""

import json
from pathlib import Path

from iso8583.unionpay_fields.field62_downloads import Application62, CaKey62, Name62

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "emv_ca_keys.json").read_text("utf-8"))
PUBLISHED = VECTORS[0]
RID = bytes.fromhex("A000000333")
KEY_WIRE = bytes.fromhex(
    "9F0605A000000333 9F220101 DF05083230333031323331 DF060101 DF070101"
    f"DF028180{PUBLISHED['modulus']} DF040103 DF0314{PUBLISHED['check_value']}"
)  # fmt: skip
KEY = CaKey62(
    Name62(RID, 1, "20301231"), bytes.fromhex(PUBLISHED["modulus"]), b"\x03", bytes.fromhex(PUBLISHED["check_value"])
)
APPLICATION_WIRE = bytes.fromhex(
    "9F0608A000000333010101 DF010101 9F08020030 DF1105D84000A800 DF1205D84004F800 DF13050010000000"
    "9F1B0400000000 DF150400000000 DF160199 DF170199 DF14039F3704"
    "DF1906000000100000 DF2006999999999999 DF2106000000100000"
)  # fmt: skip
APPLICATION = Application62(
    RID + b"\1\1\1", True, b"\0\x30", bytes.fromhex("D84000A800"), bytes.fromhex("D84004F800"),
    bytes.fromhex("0010000000"), 0, 0, 99, 99, bytes.fromhex("9F3704"), 100_000, 999_999_999_999, 100_000,
)  # fmt: skip
CARDS = ("6299990000000009", "6299990000000000017")

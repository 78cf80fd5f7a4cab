"""The golden card's chain of keys, the private ones too: certifies a card anew, well or not so well."""

from collections.abc import Mapping

from simulators.cards import Personalisation, authority
from simulators.cards.authority import Chain, PrivateKey
from tests.terminal.emv.rig import VECTORS


def key(modulus: str, exponent: str) -> PrivateKey:
    return PrivateKey(bytes.fromhex(VECTORS[modulus]), int(VECTORS[exponent], 16))


CA, CA_D = key("CA_modulus", "CA_d")
ISSUER, ISSUER_D = key("issuer_modulus", "issuer_d")
CARD, CARD_D = key("icc_modulus", "icc_d")
CHAIN = Chain(PrivateKey(CA, CA_D), PrivateKey(ISSUER, ISSUER_D), PrivateKey(CARD, CARD_D), 0xEE)


def certified(card: Personalisation, **changes: Mapping[str, object] | None) -> Personalisation:
    """The card with a fresh chain of certificates; changes as those of `simulators.cards.authority.certified`."""
    return authority.certified(card, CHAIN, **changes)

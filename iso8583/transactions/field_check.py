"""What a message of a known type lacks, and what it has too much: all at once, and in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from iso8583.message import Message
from iso8583.response_codes import REVERSAL_DONE, Action, meaning
from iso8583.table import Field
from iso8583.transactions.transaction_type import TOGETHER, TransactionType

Language = Literal["en", "zh"]

_WORDS: Final[Mapping[Language, Mapping[str, str]]] = {
    "en": {
        "complete": "nothing is missing, nothing is too much", "missing": "missing: ", "not_allowed": "not allowed: ",
        "one_of": "{}, or {} instead", "with": "{}, which goes with {}", "or": " or ", "and": ", ", "; ": "; ",
    },
    "zh": {
        "complete": "字段完整", "missing": "缺少:", "not_allowed": "不允许:",
        "one_of": "{}(或{})", "with": "{}(须与{}同时出现)", "or": "、", "and": "、", "; ": ";",
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class FieldCheck:
    """What is wrong with the fields of a message; false if nothing is.

    Attributes:
        missing: fields that must be there and are not; 2 stands for any place of the card number.
        not_allowed: fields that must not be there and are.
        kind: the type that the message was taken for.
    """

    missing: tuple[int, ...]
    not_allowed: tuple[int, ...]
    kind: TransactionType | None = field(default=None, compare=False, repr=False)

    def __bool__(self) -> bool:
        return bool(self.missing or self.not_allowed)

    def in_words(self, rows: Mapping[int, Field], language: Language = "en") -> str:
        """The same as a sentence, without anything of the message but field numbers.

        Args:
            rows: those of the dialect, for the names of the fields.
            language: "en" or "zh".

        >>> from iso8583 import Message, load_dialect
        >>> from iso8583.transactions import TYPES
        >>> check = missing_fields(Message("0820", {41: "12345678", 4: "000000000001"}), TYPES["echo"])
        >>> check.in_words(load_dialect("unionpay_pos").table.fields)
        'missing: 42 merchant identification, 60 batch and type; not allowed: 4 amount'
        """
        words = _WORDS[language]
        lacks = [self._reason(number, rows, language) for number in self.missing]
        strangers = [_name(number, rows, language) for number in self.not_allowed]
        parts = [words[title] + words["and"].join(names) for title, names in
                 (("missing", lacks), ("not_allowed", strangers)) if names]  # fmt: skip
        return words["; "].join(parts) or words["complete"]

    def _reason(self, number: int, rows: Mapping[int, Field], language: Language) -> str:
        name, words = _name(number, rows, language), _WORDS[language]
        if self.kind is None or number in self.kind.mandatory:
            return name
        others = self.kind.one_of - {number} if number in self.kind.one_of else frozenset[int]()
        companions = [companion for companion, needed in TOGETHER.items() if number in needed]
        if others:
            return words["one_of"].format(name, _listed(others, words["or"]))
        return words["with"].format(name, _listed(companions, words["or"])) if companions else name


def _listed(numbers: Iterable[int], separator: str) -> str:
    return separator.join(map(str, sorted(numbers)))


def _name(number: int, rows: Mapping[int, Field], language: Language) -> str:
    row = rows.get(number)
    if row is None:
        return str(number)
    return f"{number} {row.name_zh or row.name}" if language == "zh" else f"{number} {row.name}"


def missing_fields(message: Message, kind: TransactionType) -> FieldCheck:
    """Every field that a request of type `kind` lacks or has too much, all at once.

    >>> from iso8583 import Message
    >>> from iso8583.transactions import TYPES
    >>> missing_fields(Message("0820", {41: "12345678", 4: "000000000001"}), TYPES["echo"])
    FieldCheck(missing=(42, 60), not_allowed=(4,))
    """
    present = frozenset(message.fields)
    needed = kind.mandatory.union(*(TOGETHER[number] for number in TOGETHER.keys() & present))
    missing = needed - present
    if kind.one_of and not kind.one_of & present:
        missing |= {min(kind.one_of)}
    not_allowed = present - kind.mandatory - kind.conditional
    return FieldCheck(tuple(sorted(missing)), tuple(sorted(not_allowed)), kind)


def missing_in_answer(answer: Message, kind: TransactionType) -> FieldCheck:
    """Every field that the answer to a request of type `kind` lacks or has too much, all at once.

    An approval must have all that the transaction is known by afterwards. A refusal says no, to whom, and by request
    of which trace: hosts send it before they know more, so nothing else of it is missed.

    >>> from iso8583 import Message
    >>> from iso8583.transactions import TYPES
    >>> missing_in_answer(Message("0830", {39: "00", 41: "12345678", 52: bytes(8)}), TYPES["echo"])
    FieldCheck(missing=(42, 60), not_allowed=(52,))
    """
    present = frozenset(answer.fields)
    needed = kind.answer_mandatory if _approves(answer, kind) else kind.refusal_mandatory
    not_allowed = present - kind.answer_mandatory - kind.answer_conditional
    return FieldCheck(tuple(sorted(needed - present)), tuple(sorted(not_allowed)))


def _approves(answer: Message, kind: TransactionType) -> bool:
    """Whether it says yes. The answer to a settlement has no field 39: its verdict stands in field 48."""
    code = answer.get(39)
    if code is None:
        return True
    if kind.name == "reversal":
        return code in REVERSAL_DONE
    return meaning(str(code)).action in {Action.APPROVE, Action.ACCEPT}

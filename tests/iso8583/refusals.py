"""What is refused: the error itself, to look at."""

from collections.abc import Callable
from typing import Any

import pytest

from iso8583 import Iso8583Error


def refused(call: Callable[..., Any], *arguments: Any) -> Iso8583Error:
    """The Iso8583Error that `call` raises."""
    with pytest.raises(Iso8583Error) as caught:
        call(*arguments)
    return caught.value

"""What comes in with a form: a few short texts, bounded."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request

Form = Mapping[str, str]
FORM_BYTES_MAX = 4096
FIELDS_MAX = 12


async def read_form(request: Request) -> Mapping[str, str]:
    """Read a form; of a field that comes twice the last counts. Raises HTTPException for one that is none."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > FORM_BYTES_MAX:
            raise HTTPException(413)
    try:
        return dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=FIELDS_MAX))
    except ValueError:
        raise HTTPException(400) from None

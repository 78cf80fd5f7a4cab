"""A pcscd for the tests of one process, which has one socket for it as long as it lives."""

import os
import tempfile
from pathlib import Path

from simulators.pcscd import Pcscd, environment, reader_name

READERS = tuple(map(reader_name, range(12)))
_FOLDER = tempfile.TemporaryDirectory(prefix="pcscd-")


def private_pcscd(pairs: int = 1) -> Pcscd:
    """A service that this process will find; one at a time."""
    folder = Path(_FOLDER.name)
    os.environ.update(environment(folder))
    return Pcscd(folder, pairs)

"""Driver for a receipt printer on USB, by the device file that the kernel makes for it (``/dev/usb/lp0``).

The kernel's own driver gives both pipes of the printer class as one file; neither libusb nor its rights are needed.
A printer whose file cannot be read (unidirectional) says nothing: it is used as a `file`, which claims nothing.
"""

import os

from terminal.devices.printer_link import Link
from terminal.devices.printer_protocol import PATIENCE, EscPosPrinter, Patience


def usb_printer(path: str = "/dev/usb/lp0", patience: Patience = PATIENCE) -> EscPosPrinter:
    """Return the printer behind a device file; it is opened at every job."""

    async def open_link() -> Link:
        descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        return Link(os.fdopen(descriptor, "r+b", buffering=0), empty_is_end=False)

    return EscPosPrinter(open_link, patience)

"""Driver for a receipt printer on a serial line: a real port, a USB converter, or one end of a pseudo-terminal.

8N1; the printer may hold us up with XOFF. Modem lines are left as they are: a pseudo-terminal has none.
"""

import errno
import termios

import serial

from terminal.devices.printer_link import Link
from terminal.devices.printer_protocol import PATIENCE, EscPosPrinter, Patience


def serial_printer(path: str, baud: int = 9600, patience: Patience = PATIENCE) -> EscPosPrinter:
    """Return the printer on the line at `path`, at `baud` bits a second; the line is opened at every job."""

    async def open_link() -> Link:
        try:
            port = serial.Serial(path, baud, timeout=0, write_timeout=0, exclusive=True, xonxoff=True)
        except termios.error as error:  # pyserial lets it through where the path is no terminal
            raise OSError(*error.args) from None
        except serial.SerialException as error:  # an OSError of no kind: the number tells it
            raise OSError(error.errno or errno.EIO, "the port cannot be opened") from None
        return Link(_Line(port))

    return EscPosPrinter(open_link, patience)


class _Line:
    """A port that is closed at once: what the printer has not taken would keep the kernel, and us, waiting."""

    def __init__(self, port: serial.Serial) -> None:
        self._port = port
        settings = termios.tcgetattr(port.fileno())
        settings[6][termios.VMIN] = 1  # else a read of nothing looks like the end of the line
        termios.tcsetattr(port.fileno(), termios.TCSANOW, settings)

    def fileno(self) -> int:
        descriptor: int = self._port.fileno()
        return descriptor

    def close(self) -> None:
        try:
            self._port.reset_output_buffer()
        except (termios.error, OSError):
            pass  # the line is gone, and with it what was on it
        finally:
            self._port.close()

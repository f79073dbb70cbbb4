"""A serial port over telnet: the COM-PORT-OPTION (RFC 2217), for the end that has the port and for the one that reads.

The reader asks for the speed and the form of a byte, and for control lines. The end with the port confirms each value
with the one that is then in force; where that is another one, the request is refused.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.protocol.p1.variants import SerialSettings
from gateway.protocol.telnet import (
    BINARY,
    DO,
    DONT,
    SUPPRESS_GO_AHEAD,
    WILL,
    Negotiation,
    Options,
    Subnegotiation,
)

COM_PORT = 44
"""Number of the option."""
CONFIRMED = 100
"""Difference between the code of a command and that of its confirmation."""
SIGNATURE, BAUDRATE, DATASIZE, PARITY, STOPSIZE, CONTROL = range(6)
LINE_STATE, MODEM_STATE, SUSPEND, RESUME, LINE_STATE_MASK, MODEM_STATE_MASK, PURGE = range(6, 13)
"""Codes of the commands of a reader (RFC 2217, 3)."""
NO_FLOW_CONTROL, BREAK_OFF, DTR_ON, RTS_ON, NO_FLOW_CONTROL_IN = 1, 6, 8, 11, 14
PURGE_RECEIVED, PURGE_BOTH = 1, 3
READY = 0xB0
"""State of the control lines of a port that is always ready: CTS, DSR and carrier are on."""

_NAMES = {BAUDRATE: "baudrate", DATASIZE: "bytesize", PARITY: "parity", STOPSIZE: "stopbits"}
_PARITIES = {"N": 1, "O": 2, "E": 3}
_PARITY_LETTERS = {number: letter for letter, number in _PARITIES.items()} | {4: "M", 5: "S"}
_OPTIONS = (BINARY, SUPPRESS_GO_AHEAD)
_QUESTIONS = {0: NO_FLOW_CONTROL, 4: BREAK_OFF, 7: DTR_ON, 10: RTS_ON, 13: NO_FLOW_CONTROL_IN}
"""Value of `CONTROL` that asks for a state, and the state that a port begins with."""
_GROUPS = {
    **dict.fromkeys((1, 2, 3, 17, 19), 0),
    **dict.fromkeys((5, 6), 4),
    **dict.fromkeys((8, 9), 7),
    **dict.fromkeys((11, 12), 10),
    **dict.fromkeys((14, 15, 16, 18), 13),
}
"""Value of `CONTROL` that sets a state, and the one that asks for it."""


def _command(code: int, value: bytes = b"") -> bytes:
    return bytes(Subnegotiation(COM_PORT, bytes([code]) + value))


def _values(settings: SerialSettings) -> dict[int, bytes]:
    """Return the value of each setting as it is sent."""
    return {
        BAUDRATE: settings.baudrate.to_bytes(4, "big"),
        DATASIZE: bytes([settings.bytesize]),
        PARITY: bytes([_PARITIES[settings.parity]]),
        STOPSIZE: bytes([settings.stopbits]),
    }


class ComPortReader:
    """The end that reads from a port of another machine, and sets it."""

    def __init__(self, settings: SerialSettings) -> None:
        self._wanted = _values(settings)
        self._options = Options(ours=(*_OPTIONS, COM_PORT), theirs=_OPTIONS)
        self._unconfirmed = set(self._wanted)
        self.is_accepted: bool | None = None
        """False once the other end has refused to be set at all; None until it has responded."""
        self.refused: dict[str, str] = {}
        """Settings that the other end has refused, with the value that is in force there."""

    @property
    def is_done(self) -> bool:
        """Return whether the other end has confirmed or refused every setting, or all at once."""
        return self.is_accepted is False or not self._unconfirmed

    @property
    def unconfirmed(self) -> list[str]:
        """Return the names of the settings without a confirmation."""
        return [_NAMES[code] for code in sorted(self._unconfirmed)]

    def begin(self) -> bytes:
        """Return the bytes to send first."""
        return self._options.ask()

    def take(self, received: Negotiation | Subnegotiation) -> bytes:
        """Return the response to what the other end sends."""
        if isinstance(received, Subnegotiation):
            if received.option == COM_PORT and received.content:
                self._note(received.content[0] - CONFIRMED, received.content[1:])
            return b""
        response = self._options.take(received)
        if received == (DONT, COM_PORT):
            self.is_accepted = False
        elif received == (DO, COM_PORT) and self.is_accepted is None:
            self.is_accepted = True
            response += self._set()
        return response

    def _set(self) -> bytes:
        """Return the commands that set the port, of which only the settings are confirmed by every port.

        The power of a P1 cable's data request line may come from DTR or RTS. What waits at the other end is dropped,
        since it may be old.
        """
        settings = b"".join(_command(code, value) for code, value in self._wanted.items())
        lines = b"".join(_command(CONTROL, bytes([value])) for value in (NO_FLOW_CONTROL, DTR_ON, RTS_ON))
        quiet = _command(LINE_STATE_MASK, b"\0") + _command(MODEM_STATE_MASK, b"\0")
        return settings + lines + quiet + _command(PURGE, bytes([PURGE_RECEIVED]))

    def _note(self, code: int, value: bytes) -> None:
        wanted = self._wanted.get(code)
        if wanted is None or len(value) < len(wanted):
            return
        self._unconfirmed.discard(code)
        value = value[: len(wanted)]
        if value == wanted:
            self.refused.pop(_NAMES[code], None)
        else:
            number = int.from_bytes(value, "big")
            self.refused[_NAMES[code]] = _PARITY_LETTERS.get(number, "?") if code == PARITY else str(number)


class ComPortServer:
    """The end that has the port, for one reader. The port has other readers too, so none of them can change it."""

    def __init__(self, in_force: Callable[[], SerialSettings], signature: str) -> None:
        """Serve a port.

        Args:
            in_force: returns the settings of the port at this moment.
            signature: the name of the program, for a reader that asks for it.

        """
        self._in_force, self._signature = in_force, signature.encode("ascii", "replace")
        self._options = Options(ours=(*_OPTIONS, COM_PORT), theirs=(*_OPTIONS, COM_PORT))
        self._control = dict(_QUESTIONS)
        self._modem_state_mask = 0xFF
        self._has_notified = False

    def begin(self) -> bytes:
        """Return the bytes to send first."""
        return self._options.ask()

    def take(self, received: Negotiation | Subnegotiation) -> bytes:
        """Return the response to what the reader sends."""
        if isinstance(received, Negotiation):
            response = self._options.take(received)
            is_willing = received in ((WILL, COM_PORT), (DO, COM_PORT))
        else:
            content, is_willing = received.content, received.option == COM_PORT
            response = self._serve(content[0], content[1:]) if is_willing and content else b""
        if is_willing and not self._has_notified:
            # pyserial may use the option without a word about it, if it was offered to it early enough.
            self._has_notified = True
            response += self._modem_state()
        return response

    def _modem_state(self) -> bytes:
        return _command(CONFIRMED + MODEM_STATE, bytes([READY & self._modem_state_mask]))

    def _serve(self, code: int, value: bytes) -> bytes:
        """Return the response to a command. SUSPEND and RESUME have none: TCP itself holds data back."""
        if code == SIGNATURE:
            return b"" if value else _command(CONFIRMED + SIGNATURE, self._signature)
        if code == MODEM_STATE:
            return self._modem_state()
        if code == LINE_STATE:
            return _command(CONFIRMED + LINE_STATE, b"\0")
        values = _values(self._in_force())
        if code in values:
            return _command(CONFIRMED + code, values[code]) if len(value) >= len(values[code]) else b""
        return self._serve_one_byte(code, value[0]) if value else b""

    def _serve_one_byte(self, code: int, value: int) -> bytes:
        if code == CONTROL:
            return self._serve_control(value)
        if code == MODEM_STATE_MASK:
            self._modem_state_mask = value
        elif code != LINE_STATE_MASK and not (code == PURGE and PURGE_RECEIVED <= value <= PURGE_BOTH):
            return b""
        return _command(CONFIRMED + code, bytes([value]))

    def _serve_control(self, value: int) -> bytes:
        """Confirm a state of control lines or of flow control, which is this reader's alone and changes nothing."""
        if value in _GROUPS:
            self._control[_GROUPS[value]] = value
        question = _GROUPS.get(value, value)
        state = self._control.get(question)
        return b"" if state is None else _command(CONFIRMED + CONTROL, bytes([state]))

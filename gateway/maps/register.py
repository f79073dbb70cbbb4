"""Compile one entry of a map file: its type, expression, unit and scale become a `Register` that encodes readings.

Each check adds its problem with the place in the file and goes on, so that all problems are reported at once.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from gateway.files.validation import suggest
from gateway.maps.codes import code_hint
from gateway.maps.constants import Constants, scale_of
from gateway.maps.file import MapFile, PlacedEntry, RegisterEntry
from gateway.maps.register_keys import ABSENT, MEANINGS, check_keys
from gateway.maps.template import TemplateError, compile_template
from gateway.problems.problem import Problem
from gateway.problems.quoting import cut, quoted
from gateway.protocol.modbus.pdu import ADDRESSES, READ_FUNCTION_CODES
from gateway.protocol.p1.names import NAMES, ValueType
from gateway.protocol.p1.obis import UNIT_FACTORS, Value
from gateway.protocol.registers.data_type import TYPES, Order, number_packer, reorder
from gateway.protocol.registers.dimensions import UnitError, dimension_of
from gateway.protocol.registers.expression import (
    Evaluate,
    Expression,
    ExpressionError,
    compile_expression,
    conditions_of,
    readings_of,
    unit_of,
)
from gateway.protocol.registers.register import (
    Encode,
    Register,
    address_pattern,
    bits_encoding,
    number_encoding,
    text_encoding,
)

EXCEPTION = "exception"
"""The `absent` of a register that is not served while it is absent."""
READINGS_HINT = "docs/register-maps.md lists the readings"
"""Advice for a name that resembles no reading."""


class RegisterBuilder:
    """Compiles one entry, and adds its problems to `problems`."""

    def __init__(self, item: PlacedEntry, whole: MapFile, problems: list[Problem]) -> None:
        self._item = item
        self._problems = problems
        self._constants: Constants = whole.settings
        self._entry: RegisterEntry = item.entry
        self._type = MEANINGS.get(item.entry.type, item.entry.type)
        """The type on the wire."""
        self._absent_codes = {str(name): code for name, code in (whole.absent or {}).items()}
        self._word_order: Order = item.entry.word_order or whole.word_order or "big"
        self._byte_order: Order = item.entry.byte_order or whole.byte_order or "big"
        self._function_codes = frozenset(whole.function_codes or READ_FUNCTION_CODES)
        self._uses: frozenset[str] = frozenset()
        self._conditions: frozenset[frozenset[str]] = frozenset()

    def build(self, *, is_absent: bool) -> Register | None:
        """Return the register, or None when the entry has problems."""
        entry, before = self._entry, len(self._problems)
        length, absent, encode, evaluate = self._parts()
        check_keys(entry, self._uses, self._function_codes, self._problem)
        if evaluate and not self._uses and entry.value != ABSENT and self._type != "bitfield":
            self._check_constant(evaluate({}), encode)
        self._check_address(length)
        if len(self._problems) > before or evaluate is None:
            return None
        return Register(
            address=entry.address,
            length=length,
            name=entry.name,
            evaluate=_nothing if is_absent else evaluate,
            encode=encode,
            absent=absent,
            pattern=address_pattern(entry.address, self._type, length, self._word_order, self._byte_order),
            uses=self._uses,
            type_name=self._type,
            unit=entry.unit,
            description=entry.description,
            value=entry.value_text,
            scale=scale_of(entry.scale, self._constants) or Decimal(1),
            offset=Decimal(str(entry.offset)),
            word_order=self._word_order,
            byte_order=self._byte_order,
            function_code=entry.function_code,
            is_alone=entry.alone,
            refuses_absent=self._absent_choice() == EXCEPTION,
            conditions=self._conditions,
        )

    def _parts(self) -> tuple[int, bytes, Encode, Evaluate | None]:
        """Return its length, its code for absent, its encoder and its value."""
        if self._type == "string":
            return *self._string(), self._template()
        if self._type == "bitfield":
            length = self._entry.length or 1
            encode = bits_encoding(length, self._word_order, self._byte_order)
            return length, b"\0\0" * length, encode, self._bits(16 * length)
        absent = self._absent()
        return TYPES[self._type].registers, absent, self._number_encoding(absent), self._number()

    def _problem(self, key: str, code: str, what: str, hint: str = "") -> None:
        item = self._item
        name = cut(item.entry.name)
        self._problems.append(item.document.problem((*item.loc, key), code, f"{name}: {what}", hint, name=name))

    def _check_address(self, length: int) -> None:
        address = self._entry.address
        if address + length > ADDRESSES:
            what = f"{address} and {length} registers go beyond address {ADDRESSES - 1}"
            self._problem("address", "address-too-large", what, "Choose a lower address")

    def _check_constant(self, constant: Value | None, encode: Encode) -> None:
        if constant is None:
            self._problem("value", "not-a-number", f"{cut(str(self._entry.value))} is not a number")
        elif encode(constant)[1]:
            return
        elif self._type == "string":
            what = f"{quoted(constant)} is longer than {2 * (self._entry.length or 1)} characters"
            self._problem("value", "text-too-long", what, "Shorten it, or increase length")
        else:
            hint = "For a register that is never available, write value: absent"
            self._problem("value", "value-does-not-fit", f"{cut(str(constant))} does not fit {self._type}", hint)

    def _string(self) -> tuple[int, bytes, Encode]:
        length = self._entry.length or 1
        if self._entry.length is None:
            self._problem("type", "length-missing", "a string needs a length", "Add length: the number of registers")
        return length, b"\0\0" * length, text_encoding(length)

    def _number_encoding(self, absent: bytes) -> Encode:
        entry, data_type = self._entry, TYPES[self._type]
        if absent == number_packer(data_type, self._word_order, self._byte_order)(data_type.highest or 0):
            data_type = replace(data_type, highest=(data_type.highest or 0) - 1)
        per_unit = self._per_unit()
        offset = Decimal(str(entry.offset))
        if not offset.is_finite():
            self._problem("offset", "not-an-offset", f"{entry.offset} is not an offset", "Write a number of steps")
            offset = Decimal(0)
        content = None if entry.overflow == "limit" else absent
        return number_encoding(data_type, per_unit, offset, self._word_order, self._byte_order, absent=content)

    def _absent(self) -> bytes:
        data_type, absent = TYPES[self._type], self._absent_choice()
        if absent is None or absent == EXCEPTION:
            code = data_type.absent()
        else:
            try:
                code = struct.pack(">" + data_type.code, absent)
            except (struct.error, OverflowError):
                self._problem("absent", "value-does-not-fit", f"{absent} does not fit {data_type.name}")
                code = data_type.absent()
        return reorder(code, self._word_order, self._byte_order)

    def _absent_choice(self) -> int | float | str | None:
        """Return what the entry, or else the map, gives for absent."""
        chosen = self._entry.absent
        return self._absent_codes.get(self._type) if chosen is None else chosen

    def _per_unit(self) -> Decimal:
        entry = self._entry
        scale = scale_of(entry.scale, self._constants)
        if scale is None:
            hint = "Write the size of one step, such as 0.1"
            self._problem("scale", "not-a-scale", f"{cut(str(entry.scale))} is not a scale", hint)
            return Decimal(1)
        if entry.unit is None:
            return scale
        if entry.unit not in UNIT_FACTORS:
            hint = suggest(entry.unit, list(UNIT_FACTORS)) or f"There are: {', '.join(UNIT_FACTORS)}"
            self._problem("unit", "unknown-unit-of-measure", f"unknown unit {cut(entry.unit)}", hint)
            return scale
        return scale * UNIT_FACTORS[entry.unit][1]

    def _number(self) -> Evaluate | None:
        value = self._entry.value
        if value is None:
            self._problem(
                "value", "missing-key", "the value is missing", "Add value: with an expression, such as power_net"
            )
            return None
        if value == ABSENT:
            return _nothing
        expression = self._expression("value", str(value))
        return expression.evaluate if expression else None

    def _expression(self, key: str, text: str) -> Expression | None:
        try:
            expression = compile_expression(text, self._constants)
        except ExpressionError as error:
            self._problem(key, "invalid-expression", str(error), code_hint(text))
            return None
        self._note_names(key, expression.names, ValueType.NUMBER)
        self._uses = self._uses.union(*map(readings_of, expression.codes))
        self._conditions = self._conditions.union(conditions_of(expression.tree))
        # The unit of an unknown code is on its line only.
        if key == "value" and expression.names <= NAMES.keys() and all(map(unit_of, expression.codes)):
            self._check_unit(expression)
        return expression

    def _check_unit(self, expression: Expression) -> None:
        try:
            unit = dimension_of(expression.tree)
        except UnitError as error:
            self._problem("value", "units-do-not-match", str(error))
            return
        given = self._entry.unit
        if unit is not None and given is None:
            what = f"the value is in {unit}, so the register needs a unit"
            self._problem("value", "unit-missing", what, f"Add unit: {unit}")
        elif given in UNIT_FACTORS and (expression.names or expression.codes) and UNIT_FACTORS[given or ""][0] != unit:
            what = f"{given} cannot hold a value in {unit or 'no unit'}"
            self._problem("unit", "units-do-not-match", what)

    def _note_names(self, key: str, names: frozenset[str], wanted: ValueType) -> None:
        for name in sorted(names):
            if name not in NAMES:
                hint = suggest(name, list(NAMES)) or READINGS_HINT
                self._problem(key, "unknown-reading", f"no reading is called {cut(name)}", hint)
            elif NAMES[name].value_type is not wanted:
                what = f"{name} is a {NAMES[name].value_type}, and a {self._entry.type} takes a {wanted}"
                self._problem(key, "wrong-kind-of-reading", what)
        self._uses |= names

    def _template(self) -> Evaluate | None:
        template = self._entry.value
        if not isinstance(template, str):
            hint = 'Write one such as "{equipment_identifier}"'
            self._problem("value", "not-a-text", "a string takes a text", hint)
            return None
        if hint := code_hint(template, is_text=True):
            what = f"{quoted(template)} is an OBIS code, and clients would read the code itself"
            self._problem("value", "code-as-text", what, hint)
            return None
        try:
            compiled = compile_template(template)
        except TemplateError as error:
            hint = 'Write "{equipment_identifier}", or "{equipment_identifier:-14}" for its last 14 characters'
            self._problem("value", "invalid-template", str(error), hint)
            return None
        self._note_names("value", compiled.names, ValueType.TEXT)
        return compiled.evaluate

    def _bits(self, count: int) -> Evaluate | None:
        bits: list[tuple[int, Evaluate]] = []
        for bit, text in (self._entry.bits or {}).items():
            if not 0 <= bit < count:
                self._problem("bits", "unknown-bit", f"there is no bit {bit} in {count} bits")
            expression = self._expression("bits", text)
            if expression:
                bits.append((bit, expression.evaluate))
        if not bits:
            self._problem(
                "bits", "missing-key", "the bits are missing", "Add bits: {0: breaker}, with an expression for each"
            )

        def combine(values: Mapping[str, Value]) -> Value:
            return sum(1 << bit for bit, evaluate in bits if evaluate(values))

        return combine


def _nothing(_values: Mapping[str, Value]) -> Value | None:
    return None

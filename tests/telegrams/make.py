"""Makes the telegrams in this folder; with `--check` it names the files that differ, and fails if any does.

`METERS` says what each meter sends, `lines` in which form its family sends it. The broken and the odd ones
are changes of the DSMR 5 one. The checksum is computed here, bit by bit, so that these telegrams do not
rest on the code that they test.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Meter:
    """What one meter sends; what its family leaves out is empty."""

    header: str
    p1_version: str
    """1-3:0.2.8; empty for DSMR 2.2, which has neither this line nor a clock or a checksum."""
    clock: str
    equipment_id: str
    kwh: tuple[float, float, float, float]
    """Import T1 and T2, export T1 and T2."""
    kw: tuple[float, float]
    """Import, export."""
    mbus: tuple[str, ...]
    tariff: int = 2
    limiter: str = ""
    """0-0:17.0.0; the breaker line 0-0:96.3.10 comes with it."""
    failures: tuple[int, int] = (0, 0)
    """Any, long."""
    failure_log: str = "(0)(0-0:96.7.19)"
    sags: tuple[int, ...] = ()
    swells: tuple[int, ...] = ()
    volts: tuple[float, ...] = ()
    amps: tuple[int, ...] = ()
    phase_import_kw: tuple[float, ...] = ()
    phase_export_kw: tuple[float, ...] = ()
    by_phase: bool = False
    """Import and export of L1, then of L2, then of L3; otherwise all imports come first."""


def octets(text: str) -> str:
    """A text as P1 sends it: two hexadecimal digits per character."""
    return text.encode("ascii").hex().upper()


def gas_2(channel: int, equipment_id: str, stamp: str, m3: str) -> tuple[str, ...]:
    """A gas meter as DSMR 2.2 sends it: the value on a line of its own."""
    n = f"0-{channel}"
    hourly = f"{n}:24.3.0({stamp})(00)(60)(1)({n}:24.2.1)(m3)"
    return f"{n}:24.1.0(3)", f"{n}:96.1.0({octets(equipment_id)})", hourly, f"({m3})", f"{n}:24.4.0(1)"


def gas_4(channel: int, equipment_id: str, stamp: str, m3: str) -> tuple[str, ...]:
    """A gas meter as DSMR 4 and 5 send it."""
    n = f"0-{channel}"
    return f"{n}:24.1.0(003)", f"{n}:96.1.0({octets(equipment_id)})", f"{n}:24.2.1({stamp})({m3}*m3)"


METERS = {
    "v22_iskra-me382": Meter(
        r"/ISk5\2ME382-1003", "", "", "TEST-ME382-00001",
        (4127.306, 5210.884, 0, 0), (0.34, 0), gas_2(1, "TEST-GAS-0000001", "120214090000", "02846.117"),
        limiter="0999.00*kW",
    ),
    "v22_iskra-mt382": Meter(
        r"/ISk5\2MT382-1003", "", "", "TEST-MT382-00002",
        (11562.418, 9873.205, 1340.662, 3105.978), (1.86, 0), gas_2(2, "TEST-GAS-0000002", "150310180000", "07415.033"),
        limiter="0999.00*kW",
    ),
    "v22_kamstrup-382jxc": Meter(
        "/KMP5 KA6U000000000003", "", "", " TEST-KA6U-00003",
        (6120.714, 7433.052, 211.905, 498.637), (0, 1.27), gas_2(1, "TEST-GAS-0000003", "140618120000", "03318.406"),
        limiter="999*A",
    ),
    "v40_landisgyr-e350": Meter(
        "/XMX5LGBBFG1000000004", "40", "140307181640W", "TEST-E350-0000004",
        (1284.336, 1530.871, 0, 0), (0.714, 0),
        (*gas_4(1, "TEST-GAS-00000004", "140307180000W", "00903.552"), "0-1:24.4.0(1)"),
        limiter="999.9*kW", failures=(3, 1), failure_log="(1)(0-0:96.7.19)(131122034518W)(0000003907*s)",
        sags=(2,), swells=(0,), amps=(3,), phase_import_kw=(0.714,), phase_export_kw=(0,),
    ),
    "v42_landisgyr-zcf110": Meter(
        "/XMX5LGBBFG1000000005", "42", "170826231504S", "TEST-ZCF110-00005",
        (2816.940, 2207.113, 0.148, 0.026), (0.267, 0), gas_4(1, "TEST-GAS-00000005", "170826230000S", "01677.201"),
        tariff=1, failures=(5, 2), sags=(1,), swells=(0,),
        failure_log="(2)(0-0:96.7.19)(151006112330S)(0000000412*s)(160219080105W)(0000005213*s)",
        amps=(1,), phase_import_kw=(0.267,), phase_export_kw=(0,),
    ),
    "v42_landisgyr-zmf110": Meter(
        "/XMX5LGBBFG1000000006", "42", "180131124750W", "TEST-ZMF110-00006",
        (5093.227, 4871.650, 402.318, 977.504), (1.652, 0),
        gas_4(1, "TEST-GAS-00000006", "180131120000W", "02950.448"),
        failures=(7, 3), failure_log="(1)(0-0:96.7.19)(160704155210S)(0000000968*s)",
        sags=(4, 6, 5), swells=(0, 0, 1), amps=(2, 5, 0),
        phase_import_kw=(0.431, 1.174, 0.047), phase_export_kw=(0, 0, 0),
    ),
    "v42_kaifa-e0026": Meter(
        "/KFM5KAIFA-METER", "42", "160915134213S", "TEST-E0026-000007",
        (1873.554, 1640.093, 218.770, 530.416), (0, 0.893),
        gas_4(1, "TEST-GAS-00000007", "160915130000S", "01120.395"),
        failures=(9, 4), sags=(0, 0, 0), swells=(0, 0, 0), amps=(1, 0, 6),
        failure_log="(2)(0-0:96.7.19)(150428071602S)(0000000731*s)(000101000001W)(2147483647*s)",
        phase_import_kw=(0.318, 0.092, 0), phase_export_kw=(0, 0, 1.303), by_phase=True,
    ),
    "v50_sagemcom-t210d": Meter(
        r"/Ene5\T210-D ESMR5.0", "50", "210118070352W", "TEST-T210D-000008",
        (3405.112, 3966.287, 0, 0), (2.486, 0), gas_4(1, "TEST-GAS-00000008", "210118070001W", "02274.861"),
        failures=(6, 2), failure_log="(1)(0-0:96.7.19)(191203101544W)(0000001816*s)",
        sags=(2, 1, 2), swells=(0, 0, 0), volts=(228.7, 230.1, 229.4), amps=(2, 8, 1),
        phase_import_kw=(0.455, 1.826, 0.205), phase_export_kw=(0, 0, 0),
    ),
    "v50_iskra-am550-solar": Meter(
        r"/ISK5\2M550T-1012", "50", "230611131827S", "TEST-AM550-000009",
        (9217.845, 8106.530, 3380.194, 8052.761), (0, 3.127),
        (
            "0-1:24.1.0(003)", "0-1:96.1.0()", "0-1:24.2.1(700101010000W)(00000000)",
            *gas_4(2, "TEST-GAS-00000009", "230611131502S", "04036.719"),
        ),
        tariff=1, failures=(8, 5), sags=(3, 3, 41), swells=(1, 1, 1), volts=(236.2, 238.9, 235.5), amps=(1, 16, 2),
        failure_log="(2)(0-0:96.7.19)(200902193007S)(0000000254*s)(220118052941W)(0000007702*s)",
        phase_import_kw=(0.188, 0, 0.496), phase_export_kw=(0, 3.811, 0),
    ),
}  # fmt: skip
METERS["v22_iskra-mt382_10s-later"] = replace(
    METERS["v22_iskra-mt382"], kwh=(11562.418, 9873.210, 1340.662, 3105.978), kw=(1.79, 0)
)


def lines(meter: Meter) -> Iterator[str]:
    """The lines of its telegram, without the end line."""
    kwh_form, kw_form = ("010.3f", "06.3f") if meter.p1_version else ("09.3f", "07.2f")
    yield meter.header
    yield ""
    if meter.p1_version:
        yield f"1-3:0.2.8({meter.p1_version})"
        yield f"0-0:1.0.0({meter.clock})"
    yield f"0-0:96.1.1({octets(meter.equipment_id)})"
    for code, value in zip(("1.8.1", "1.8.2", "2.8.1", "2.8.2"), meter.kwh, strict=True):
        yield f"1-0:{code}({value:{kwh_form}}*kWh)"
    yield f"0-0:96.14.0({meter.tariff:04})"
    for code, value in zip(("1.7.0", "2.7.0"), meter.kw, strict=True):
        yield f"1-0:{code}({value:{kw_form}}*kW)"
    if meter.limiter:
        yield f"0-0:17.0.0({meter.limiter})"
        yield "0-0:96.3.10(1)"
    if meter.p1_version:
        yield from (f"0-0:96.7.21({meter.failures[0]:05})", f"0-0:96.7.9({meter.failures[1]:05})")
        yield f"1-0:99.97.0{meter.failure_log}"
    yield from phases(32, "32.0", [f"{count:05}" for count in meter.sags])
    yield from phases(32, "36.0", [f"{count:05}" for count in meter.swells])
    if meter.p1_version != "50":
        yield "0-0:96.13.1()"
    yield "0-0:96.13.0()"
    yield from phases(32, "7.0", [f"{value:05.1f}*V" for value in meter.volts])
    yield from phases(31, "7.0", [f"{value:03}*A" for value in meter.amps])
    imports = phases(21, "7.0", [f"{value:06.3f}*kW" for value in meter.phase_import_kw])
    exports = phases(22, "7.0", [f"{value:06.3f}*kW" for value in meter.phase_export_kw])
    both = imports + exports
    yield from sorted(both, key=lambda line: line[:5]) if meter.by_phase else both
    yield from meter.mbus


def phases(first_c: int, rest: str, values: list[str]) -> list[str]:
    """A line for each phase: OBIS value group C goes up by 20 from L1 to L2 to L3."""
    return [f"1-0:{first_c + 20 * phase}.{rest}({value})" for phase, value in enumerate(values)]


def crc16(data: bytes) -> int:
    """CRC-16/ARC (DSMR 5.0.2 P1, 6.2)."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc


def seal(text: str, line_end: str = "\r\n") -> bytes:
    """The telegram of these lines, with the end line and its right checksum."""
    body = (text + "\n!").replace("\n", line_end).encode("ascii")
    return body + f"{crc16(body):04X}{line_end}".encode("ascii")


def change(text: str, *changes: tuple[str, str]) -> str:
    """`text` with every `(old, new)` done; each old part must be there just once."""
    for old, new in changes:
        if text.count(old) != 1:
            raise ValueError(f"{old!r} is {text.count(old)} times in the telegram, where once was expected.")
        text = text.replace(old, new)
    return text


def telegrams() -> dict[str, bytes]:
    """The content of every file by its name."""
    texts = {name: "\n".join(lines(meter)) for name, meter in METERS.items()}
    files = {
        name: seal(text) if METERS[name].p1_version else (text + "\n!\n").replace("\n", "\r\n").encode("ascii")
        for name, text in texts.items()
    }
    text = texts["v50_sagemcom-t210d"]
    whole = seal(text)
    end = whole.rindex(b"!")
    wrong = f"!{int(whole[end + 1 : end + 5], 16) ^ 0x0100:04X}\r\n".encode("ascii")
    one_second_later = seal(change(text, ("(210118070352W)", "(210118070353W)")))
    message = ("The grid operator works in your street today. " * 23)[:1024]
    empty = (
        ("(0002)\n1-0:1.7.0(02.486*kW)", "()\n1-0:1.7.0()"),
        ("32.7.0(228.7*V)", "32.7.0()"),
        ("31.7.0(002*A)", "31.7.0()"),
        (f"({octets('TEST-GAS-00000008')})", "()"),
        ("(02274.861*m3)", "()"),
    )
    files |= {
        "bad_checksum": whole[:end] + wrong,
        "bad_cut-in-line-then-restarted": whole[: whole.index(b"52.32.0(") + 11] + one_second_later,
        "bad_cut-then-restarted": whole[: whole.index(b"1-0:52.32.0(")] + one_second_later,
        "bad_non-numeric-power": seal(change(text, ("1.7.0(02.486*kW)", "1.7.0(--.---*kW)"))),
        "odd_empty-values": seal(change(text, *empty)),
        "odd_lf-line-ends": seal(text, line_end="\n"),
        "odd_lower-case-checksum": whole[:end] + whole[end:].lower(),
        "odd_slash-and-bang-in-text": seal(change(text, ("96.13.0()", "96.13.0(Works 18/1! See grid.test/works !)"))),
        "odd_text-2048-digits": seal(change(text, ("96.13.0()", f"96.13.0({octets(message)})"))),
    }
    return {f"{name}.txt": content for name, content in files.items()}


def main(arguments: list[str]) -> int:
    """Write the files, or with `--check` name those that differ."""
    files = telegrams()
    if arguments == ["--check"]:
        differing = {path.name for path in FOLDER.glob("*.txt")} ^ files.keys()
        differing |= {name for name in files.keys() - differing if (FOLDER / name).read_bytes() != files[name]}
        for name in sorted(differing):
            print(f"{name} is not as make.py makes it")
        return 1 if differing else 0
    for name, content in files.items():
        (FOLDER / name).write_bytes(content)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

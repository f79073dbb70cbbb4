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
class MeterState:
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
    "v22_iskra-me382": MeterState(
        r"/ISk5\2ME382-1003", "", "", "TEST-ME382-00001",
        (4127.306, 5210.884, 0, 0), (0.34, 0), gas_2(1, "TEST-GAS-0000001", "120214090000", "02846.117"),
        limiter="0999.00*kW",
    ),
    "v22_iskra-mt382": MeterState(
        r"/ISk5\2MT382-1003", "", "", "TEST-MT382-00002",
        (11562.418, 9873.205, 1340.662, 3105.978), (1.86, 0), gas_2(2, "TEST-GAS-0000002", "150310180000", "07415.033"),
        limiter="0999.00*kW",
    ),
    "v22_kamstrup-382jxc": MeterState(
        "/KMP5 KA6U000000000003", "", "", " TEST-KA6U-00003",
        (6120.714, 7433.052, 211.905, 498.637), (0, 1.27), gas_2(1, "TEST-GAS-0000003", "140618120000", "03318.406"),
        limiter="999*A",
    ),
    "v40_landisgyr-e350": MeterState(
        "/XMX5LGBBFG1000000004", "40", "140307181640W", "TEST-E350-0000004",
        (1284.336, 1530.871, 0, 0), (0.714, 0),
        (*gas_4(1, "TEST-GAS-00000004", "140307180000W", "00903.552"), "0-1:24.4.0(1)"),
        limiter="999.9*kW", failures=(3, 1), failure_log="(1)(0-0:96.7.19)(131122034518W)(0000003907*s)",
        sags=(2,), swells=(0,), amps=(3,), phase_import_kw=(0.714,), phase_export_kw=(0,),
    ),
    "v42_landisgyr-zcf110": MeterState(
        "/XMX5LGBBFG1000000005", "42", "170826231504S", "TEST-ZCF110-00005",
        (2816.940, 2207.113, 0.148, 0.026), (0.267, 0), gas_4(1, "TEST-GAS-00000005", "170826230000S", "01677.201"),
        tariff=1, failures=(5, 2), sags=(1,), swells=(0,),
        failure_log="(2)(0-0:96.7.19)(151006112330S)(0000000412*s)(160219080105W)(0000005213*s)",
        amps=(1,), phase_import_kw=(0.267,), phase_export_kw=(0,),
    ),
    "v42_landisgyr-zmf110": MeterState(
        "/XMX5LGBBFG1000000006", "42", "180131124750W", "TEST-ZMF110-00006",
        (5093.227, 4871.650, 402.318, 977.504), (1.652, 0),
        gas_4(1, "TEST-GAS-00000006", "180131120000W", "02950.448"),
        failures=(7, 3), failure_log="(1)(0-0:96.7.19)(160704155210S)(0000000968*s)",
        sags=(4, 6, 5), swells=(0, 0, 1), amps=(2, 5, 0),
        phase_import_kw=(0.431, 1.174, 0.047), phase_export_kw=(0, 0, 0),
    ),
    "v42_kaifa-e0026": MeterState(
        "/KFM5KAIFA-METER", "42", "160915134213S", "TEST-E0026-000007",
        (1873.554, 1640.093, 218.770, 530.416), (0, 0.893),
        gas_4(1, "TEST-GAS-00000007", "160915130000S", "01120.395"),
        failures=(9, 4), sags=(0, 0, 0), swells=(0, 0, 0), amps=(1, 0, 6),
        failure_log="(2)(0-0:96.7.19)(150428071602S)(0000000731*s)(000101000001W)(2147483647*s)",
        phase_import_kw=(0.318, 0.092, 0), phase_export_kw=(0, 0, 1.303), by_phase=True,
    ),
    "v50_sagemcom-t210d": MeterState(
        r"/Ene5\T210-D ESMR5.0", "50", "210118070352W", "TEST-T210D-000008",
        (3405.112, 3966.287, 0, 0), (2.486, 0), gas_4(1, "TEST-GAS-00000008", "210118070001W", "02274.861"),
        failures=(6, 2), failure_log="(1)(0-0:96.7.19)(191203101544W)(0000001816*s)",
        sags=(2, 1, 2), swells=(0, 0, 0), volts=(228.7, 230.1, 229.4), amps=(2, 8, 1),
        phase_import_kw=(0.455, 1.826, 0.205), phase_export_kw=(0, 0, 0),
    ),
    "v50_iskra-am550-solar": MeterState(
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
METERS["v50_kamstrup-one-phase"] = MeterState(
    r"/KMP5 T11-00010", "50", "240309174512W", "TEST-T11-00000010",
    (611.204, 498.317, 37.655, 102.940), (0, 1.604), gas_4(1, "TEST-GAS-00000010", "240309174002W", "00318.470"),
    failures=(1, 0), sags=(0,), swells=(0,), volts=(233.4,), amps=(7,), phase_import_kw=(0,), phase_export_kw=(1.604,),
)  # fmt: skip
METERS["v22_iskra-mt382_10s-later"] = replace(
    METERS["v22_iskra-mt382"], kwh=(11562.418, 9873.210, 1340.662, 3105.978), kw=(1.79, 0)
)


PEAKS = (
    "(4)(1-0:1.6.0)(1-0:1.6.0)(251201000000W)(251118183000W)(04.208*kW)(260101000000W)(632525252525W)(00.000*kW)"
    "(260201000000W)(260114074500W)(05.116*kW)(260301000000W)(260227191500W)(03.970*kW)"
)
NATIONAL = {
    "be_fluvius": (
        r"/FLU5\253770001_A", "", "0-0:96.1.4(50221)", f"0-0:96.1.1({octets('TEST-FLU-0001')})",
        "0-0:1.0.0(260314081230W)", "1-0:1.8.1(001203.417*kWh)", "1-0:1.8.2(001588.926*kWh)",
        "1-0:2.8.1(000412.305*kWh)", "1-0:2.8.2(000077.014*kWh)", "0-0:96.14.0(0002)", "1-0:1.4.0(01.372*kW)",
        "1-0:1.6.0(260307193000W)(04.451*kW)", f"0-0:98.1.0{PEAKS}", "1-0:1.7.0(02.118*kW)", "1-0:2.7.0(00.000*kW)",
        "1-0:21.7.0(01.006*kW)", "1-0:41.7.0(00.000*kW)", "1-0:61.7.0(01.112*kW)", "1-0:22.7.0(00.000*kW)",
        "1-0:42.7.0(00.000*kW)", "1-0:62.7.0(00.000*kW)", "1-0:32.7.0(231.6*V)", "1-0:52.7.0(000.0*V)",
        "1-0:72.7.0(232.9*V)", "1-0:31.7.0(004.36*A)", "1-0:51.7.0(005.02*A)", "1-0:71.7.0(004.81*A)",
        "0-0:96.3.10(1)", "0-1:96.3.10(0)", "0-2:96.3.10(1)", "0-3:96.3.10(0)", "0-4:96.3.10(0)",
        "0-0:17.0.0(999.9*kW)", "1-0:31.4.0(040*A)", "0-0:96.13.0()",
        "0-1:24.1.0(003)", f"0-1:96.1.1({octets('TEST-GAS-BE-01')})", "0-1:24.4.0(1)",
        "0-1:24.2.3(260314081003W)(00842.118*m3)",
        "0-2:24.1.0(007)", f"0-2:96.1.1({octets('TEST-WAT-BE-01')})", "0-2:24.2.1(260314080911W)(00190.530*m3)",
    ),
    "lu_smarty": (
        "/Lux5\\253663629_D", "", "1-3:0.2.8(42)", "0-0:1.0.0(260314081230W)", f"0-0:42.0.0({octets('TEST-LUX-0001')})",
        "1-0:1.8.0(002214.806*kWh)", "1-0:2.8.0(000931.440*kWh)", "1-0:3.8.0(000017.352*kvarh)",
        "1-0:4.8.0(000408.119*kvarh)", "1-0:1.7.0(00.312*kW)", "1-0:2.7.0(00.000*kW)", "1-0:3.7.0(00.000*kvar)",
        "1-0:4.7.0(00.127*kvar)", "0-0:17.0.0(027.6*kVA)", "1-0:9.7.0(00.337*kVA)", "1-0:10.7.0(00.000*kVA)",
        "0-0:96.3.10(1)", "0-1:96.3.10(0)", "0-2:96.3.10(0)", "1-0:32.7.0(230.8*V)", "1-0:31.7.0(001*A)",
        "1-0:21.7.0(00.312*kW)", "1-0:22.7.0(00.000*kW)", "1-0:23.7.0(00.000*kvar)", "1-0:24.7.0(00.127*kvar)",
    ),
    "se_aidon": (
        r"/ADN9 6534", "", "0-0:1.0.0(260701120000W)", "1-0:1.8.0(00008105.226*kWh)", "1-0:2.8.0(00000310.904*kWh)",
        "1-0:3.8.0(00000012.008*kvarh)", "1-0:4.8.0(00001230.515*kvarh)", "1-0:1.7.0(0000.000*kW)",
        "1-0:2.7.0(0001.884*kW)", "1-0:3.7.0(0000.000*kVAr)", "1-0:4.7.0(0000.226*kVAr)",
        "1-0:21.7.0(0000.105*kW)", "1-0:22.7.0(0000.000*kW)", "1-0:41.7.0(0000.000*kW)", "1-0:42.7.0(0001.204*kW)",
        "1-0:61.7.0(0000.000*kW)", "1-0:62.7.0(0000.785*kW)", "1-0:23.7.0(0000.000*kVAr)", "1-0:24.7.0(0000.080*kVAr)",
        "1-0:43.7.0(0000.000*kVAr)", "1-0:44.7.0(0000.101*kVAr)", "1-0:63.7.0(0000.000*kVAr)",
        "1-0:64.7.0(0000.045*kVAr)", "1-0:32.7.0(234.1*V)", "1-0:52.7.0(235.7*V)", "1-0:72.7.0(234.9*V)",
        "1-0:31.7.0(000.6*A)", "1-0:51.7.0(005.1*A)", "1-0:71.7.0(003.4*A)",
    ),
    "hu_eon": (
        "/SAG5SAG-METER", "", "0-0:1.0.0(260701120000S)", f"0-0:42.0.0({octets('TEST-HU-0001')})",
        f"0-0:96.1.0({octets('TEST-HU-SERIAL')})", "0-0:96.14.0(0001)", "0-0:96.3.10(1)", "0-0:17.0.0(90.000*kW)",
        "1-0:1.8.0(000601.220*kWh)", "1-0:1.8.1(000400.020*kWh)", "1-0:1.8.2(000201.200*kWh)",
        "1-0:2.8.0(000088.700*kWh)", "1-0:2.8.1(000080.300*kWh)", "1-0:2.8.2(000008.400*kWh)",
        "1-0:5.8.0(000001.205*kvarh)", "1-0:6.8.0(000000.310*kvarh)", "1-0:7.8.0(000044.018*kvarh)",
        "1-0:8.8.0(000090.711*kvarh)", "1-0:15.8.0(000689.920*kWh)", "1-0:32.7.0(238.4*V)", "1-0:31.7.0(002*A)",
        "1-0:13.7.0(0.955)", "1-0:33.7.0(4.556)", "1-0:14.7.0(49.98*Hz)", "1-0:1.7.0(00.455*kW)",
        "1-0:2.7.0(00.000*kW)", "1-0:5.7.0(00.000*kvar)", "1-0:6.7.0(00.000*kvar)", "1-0:7.7.0(00.000*kvar)",
        "1-0:8.7.0(00.141*kvar)", "1-0:31.4.0(032.00*A)",
        "0-0:98.1.0(260701000000S)(000580.777*kWh)(000380.950*kWh)(03.564*kW)", "0-0:96.13.0()",
    ),
    "at_t210": (
        r"/EST5\253710001_A", "", "1-3:0.2.8(50)", "0-0:1.0.0(260701120000S)", "1-0:1.8.0(007120331*Wh)",
        "1-0:1.8.1(005500120*Wh)", "1-0:1.8.2(001620211*Wh)", "1-0:1.7.0(000000412*W)", "1-0:2.8.0(000001058*Wh)",
        "1-0:2.8.1(000001000*Wh)", "1-0:2.8.2(000000058*Wh)", "1-0:2.7.0(000000000*W)", "1-0:3.8.0(000000747*varh)",
        "1-0:3.8.1(000000101*varh)", "1-0:3.8.2(000000646*varh)", "1-0:3.7.0(000000000*var)",
        "1-0:4.8.0(003897726*varh)", "1-0:4.8.1(002692848*varh)", "1-0:4.8.2(001204878*varh)",
        "1-0:4.7.0(000000166*var)",
    ),
    "be_iskra-ie5": (
        r"/ISk5\MIE5T-200", "", "1-0:0.0.0(00000001)", f"0-0:96.1.0({octets('TEST-IE5-0001')})",
        "0-0:1.0.0(260112223512)", "1-0:1.8.1(000310.181*kWh)", "1-0:1.8.2(000210.182*kWh)",
        "1-0:2.8.1(000010.281*kWh)", "1-0:2.8.2(000010.282*kWh)", "0-0:96.14.0(0001)",
        "1-0:1.6.0(02.589*kW)(260112223000)", "1-0:1.7.0(00.170*kW)", "1-0:2.7.0(00.000*kW)", "1-0:32.7.0(242.5*V)",
        "1-0:31.7.0(001*A)", "0-0:96.3.10(1)", "0-0:96.13.0()", "0-1:96.1.1()",
    ),
    "lt_eso": (
        r"/ESO5\253876000_C", "", "0-0:1.0.0(260701120000S)", f"0-0:96.1.1({octets('TEST-ESO-0001')})",
        "1-0:1.8.0(00012304.630*kWh)", "1-0:1.8.1(00010204.130*kWh)", "1-0:1.8.2(00002100.500*kWh)",
        "1-0:2.8.1(00000004.000*kWh)", "1-0:2.8.2(00000001.250*kWh)", "1-0:32.7.0(0000.232*kV)",
        "1-0:31.7.0(0000.004*kA)", "1-0:14.7.0(0000.050*kHz)", "1-0:13.7.0(00998)", "1-0:33.7.0(-00750)",
        "1-0:1.7.0(0000.912*kW)", "1-0:2.7.0(0000.000*kW)", "1-0:9.7.0(0000.914*kVA)", "1-0:1.4.0(0000.850*kW)",
        "0-0:96.7.21(00004)",
    ),
    "nl_warmtelink": (
        "/NWA-WARMTELINK", "", "1-3:0.2.8(50)", "0-0:1.0.0(260215200523W)", "0-0:96.1.1(TESTC31000001)",
        "0-0:96.13.1()", "0-0:96.13.0()", "0-1:24.1.0(004)", "0-1:96.1.0(6218480100000001)",
        "0-1:24.2.1(260215200523W)(240.860*GJ)",
    ),
}  # fmt: skip
"""Meters of other countries, and one for heat, line by line."""
GERMAN = {
    "de_q3d": (
        "/ESY5Q3DA1004 V3.04", "", "1-0:0.0.0*255(TEST-Q3D-0001)", "1-0:1.8.0*255(00032549.5061662*kWh)",
        "1-0:2.8.0*255(00000310.0070003*kWh)", "1-0:21.7.0*255(000557.29*W)", "1-0:41.7.0*255(000521.62*W)",
        "1-0:61.7.0*255(000609.30*W)", "1-0:1.7.0*255(001688.21*W)", "1-0:96.5.5*255(80)",
    ),
    "de_ebz-d0": (
        "/EBZ5DD32R10ETA_107", "1-0:0.0.0*255(TEST-EBZ-0001)", "1-0:1.8.0*255(003902.58359727*kWh)",
        "1-0:2.8.0*255(001267.59172376*kWh)", "1-0:16.7.0*255(-000458.90*W)", "1-0:36.7.0*255(000344.88*W)",
        "1-0:56.7.0*255(000114.02*W)", "1-0:76.7.0*255(-000917.80*W)", "1-0:96.5.0*255(001C0104)",
    ),
}  # fmt: skip
"""Meters that send no checksum."""


def lines(meter: MeterState) -> Iterator[str]:
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
    files |= {name: seal("\n".join(each)) for name, each in NATIONAL.items()}
    files |= {name: "\r\n".join((*each, "!", "")).encode("ascii") for name, each in GERMAN.items()}
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

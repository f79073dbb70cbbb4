"""Every third-party telegram: the valid ones agree with dsmr_parser, the broken ones are refused for their reason.

The telegrams lie beside the checkout, with a manifest that says of each what it is. What this file says of
single ones is data: which kind of refusal, and where dsmr_parser is not the measure.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from itertools import pairwise

import pytest

from gateway.protocol.p1.meter import MeterState
from gateway.protocol.p1.serving import Received
from gateway.protocol.p1.telegram import RefusalReason, RefusedTelegram
from tests.conftest import SHARED_TELEGRAMS, needs_shared_telegrams, shared_manifest
from tests.peer_telegram import PeerReading, PeerTelegram, said_by
from tests.protocol.p1.stream import NOISE_AFTER, NOISE_BEFORE, Item, feed, in_pieces

pytestmark = needs_shared_telegrams

CAPTURE = "nielsbasjes_am550_566-telegrams.raw"
ENCRYPTED = "enc_austria-t210dr_esphome.bin"

GOOD_TELEGRAMS = {CAPTURE: 566, "synthetic_two-telegrams.txt": 2}
"""How many a file holds where its checksum is right, or where its meter sends none; one, unless it stands here."""

REFUSALS: dict[str, list[RefusalReason]] = {
    "malformed_truncated-then-restart_nielsbasjes.txt": [RefusalReason.TRUNCATED],
    "synthetic_truncated-no-end.txt": [RefusalReason.TRUNCATED],
    "synthetic_oversize-64k.txt": [RefusalReason.OVERSIZE],
    "synthetic_missing-first-half.txt": [],  # nothing begins, so there is nothing to refuse
    "wimdh_fluvius_18-telegrams_crc-AAAA.raw": [RefusalReason.CHECKSUM] * 18,
    # A copy from source code without the checksum that this meter sends.
    "5s_aidon-6534_evcc.txt": [RefusalReason.NO_CHECKSUM],
}
"""Why a file's telegrams are refused; where its checksum is wrong and it does not stand here, once for that."""

VARIANTS = {
    "2.2": ("2.2", "V2_2"),
    "3": ("2.2", "V3"),
    "2.2 malformed": ("2.2", "V2_2"),
    "4.2": ("4", "V4"),
    "5": ("5", "V5"),
    "5 heat-only": ("WARMTELINK", "V5"),
    "5 malformed": ("5", "V5"),
    "synthetic": ("5", "V5"),
    "5B": ("5B", "BELGIUM_FLUVIUS"),
    "5S": ("5S", "SWEDEN"),
    "5EONHU": ("5EONHU", "EON_HUNGARY"),
    "ISKRA_IE": ("ISKRA_IE", "ISKRA_IE"),
    "SAGEMCOM_T210_D_R plain text": ("SAGEMCOM_T210_D_R", "SAGEMCOM_T210_D_R"),
    "Q3D": ("Q3D", "Q3D"),
    "Q3D-like (D0 push)": ("Q3D", "Q3D"),
}
"""The manifest's variant → the variant to be detected, and dsmr_parser's specification for it."""

NOT_AS_LABELLED = {"synthetic_v22-crc-less-gas-split.txt": ("2.2", "V2_2")}

DROPPED_BY_PEER = {
    "v3_test_robthree.txt": {"0-1:24.3.0"},  # no line end between the hour and its value
    "synthetic_v22-crc-less-gas-split.txt": {"0-1:24.3.0"},  # LF CR between them
    "v5_warmtelink_dsmr-parser.txt": {"0-0:96.13.1"},  # its DSMR 5 has no message code
    "5b_iskra-ie5_dsmr-parser.txt": {"1-0:0.0.0"},  # its IE.5 has no meter number
    # Its Sweden has no reactive power.
    "5s_ellevio-ell5_psvanstrom.txt": {"1-0:3.7.0", "1-0:4.7.0"},
    "5s_landisgyr-e360-b_amshan.txt": {"1-0:3.7.0", "1-0:4.7.0"},
    "5s_landisgyr-e360_srcfl.txt": {"1-0:3.7.0", "1-0:4.7.0"},
    "hu_sagemcom-eon_dsmr-parser.txt": {"0-0:98.1.0"},  # its Hungary has no month-end snapshot
    # Its Q3D knows one maker's lines.
    "q3d_ebz-dd3_unimeter.txt": {
        *("1-0:96.1.0", "1-0:16.7.0", "1-0:36.7.0", "1-0:56.7.0", "1-0:76.7.0", "1-0:96.5.0", "0-0:96.8.0")
    },
    "synthetic_slash-in-text.txt": {"0-0:96.13.0"},  # it takes no `/` in a value
    "synthetic_bang-in-text.txt": {"0-0:96.13.0"},  # nor a `!` or a blank
}
"""Lines that the project reads and dsmr_parser does not."""

PEER_IS_WRONG = {
    # The clock was never set: the first second of 2000 is no time, and zero at that time is no reading.
    ("v42_landisgyr-zmf110_nielsbasjes.txt", "0-0:1.0.0"): PeerReading(None),
    ("v42_landisgyr-zmf110_nielsbasjes.txt", "0-1:24.2.1"): PeerReading(None),
    # A gas meter that is gone is sent as zero, in 1970 or at no time at all.
    ("v5_iskra-am550-2mbus_dsmr-parser.txt", "0-1:24.2.1"): PeerReading(None),
    ("v5_sagemcom-xs210_dsmr2lib.txt", "0-1:24.2.1"): PeerReading(None),
    # S in February is UTC+2, 230202132747S being 11:27:47Z.
    ("5b_iskra-ie5_dsmr-parser.txt", "0-0:1.0.0"): PeerReading(1675337267),
    # W in October is UTC+1, 201020085222W being 07:52:22Z.
    ("5s_ellevio-ell5_psvanstrom.txt", "0-0:1.0.0"): PeerReading(1603180342),
    # S in March is UTC+2 too: 200305122139S and 200301000000S are 10:21:39Z and 22:00:00Z.
    ("5b_fluvius-50217-171_dsmr-parser.txt", "0-0:98.1.0"): PeerReading(
        (
            (1588284000, 1587662738, Decimal("3.695")),
            (1585692000, 1583403699, Decimal("5.980")),
            (1583013600, 1581303261, Decimal("4.318")),
        )
    ),
}
"""(File, OBIS code) → what is right, where dsmr_parser says something else."""

MADE_READABLE_FOR_PEER = {
    # It knows a checksum in capitals only.
    "synthetic_lower-case-crc.txt": lambda raw: raw[:-6] + raw[-6:].upper(),
    # It gives no telegram at all for one value that is no number.
    "synthetic_non-numeric-value.txt": lambda raw: raw.replace(b"xx.xxx*kW", b""),
}
UNREADABLE_LINES = {"synthetic_non-numeric-value.txt": {"1-0:1.7.0"}}

ROWS = {row["file"]: row for row in shared_manifest()}


def is_valid(file: str) -> bool:
    return ROWS[file]["crc_valid"] in ("yes", "none") and REFUSALS.get(file) != [RefusalReason.NO_CHECKSUM]


VALID = [file for file in ROWS if is_valid(file)]
BROKEN = [file for file in ROWS if not is_valid(file)]
REFUSED = [file for file in ROWS if file != ENCRYPTED and (file in BROKEN or file in REFUSALS)]


@cache
def stream_of(file: str) -> bytes:
    return (SHARED_TELEGRAMS / file).read_bytes()


def in_random_pieces(stream: bytes) -> Iterator[bytes]:
    cuts = random.Random(len(stream)).choices(range(len(stream)), k=len(stream) // 50)  # seeded, so always the same
    return (stream[a:b] for a, b in pairwise([0, *sorted(cuts), len(stream)]))


WAYS = {
    "whole": lambda stream: [stream],
    "byte by byte": lambda stream: in_pieces(stream, 1),
    "in random pieces": in_random_pieces,
    "with garbage around": lambda stream: [NOISE_BEFORE + stream + NOISE_AFTER],
    "with garbage around, in random pieces": lambda stream: in_random_pieces(NOISE_BEFORE + stream + NOISE_AFTER),
}


def judge(items: list[Item]) -> tuple[MeterState, list[Received], list[RefusalReason]]:
    """What a meter of unknown version believes of `items`, which come one a second, and why it refuses the others."""
    meter = MeterState("house", None, needs_two=False)
    results = [meter.take(item, float(second), 1.7e9 + second) for second, item in enumerate(items)]
    believed = [result for result in results if isinstance(result, Received)]
    return meter, believed, [result.reason for result in results if isinstance(result, RefusedTelegram)]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("file", VALID)
def test_each_valid_telegram_is_believed_byte_for_byte(file: str, way: str) -> None:
    stream = stream_of(file)
    meter, believed, refusals = judge(feed(WAYS[way](stream)))
    assert refusals == REFUSALS.get(file, [])
    assert meter.accepted == len(believed) == GOOD_TELEGRAMS.get(file, 1)
    position = 0
    for received in believed:
        raw = received.telegram.raw
        assert raw.startswith(b"/")
        position = stream.index(raw, position) + len(raw)
        assert received.telegram.checked == (ROWS[file]["crc_valid"] == "yes")
    assert {received.variant.key for received in believed} == {variant_of(file)[0]}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("file", REFUSED)
def test_each_broken_telegram_is_refused_for_its_reason(file: str, way: str) -> None:
    meter, believed, refusals = judge(feed(WAYS[way](stream_of(file))))
    assert refusals == REFUSALS.get(file, [RefusalReason.CHECKSUM])
    if file in BROKEN:
        assert believed == []
        assert meter.newest is None


@pytest.mark.parametrize("way", WAYS)
def test_an_encrypted_telegram_is_not_believed(way: str) -> None:
    meter, believed, _ = judge(feed(WAYS[way](stream_of(ENCRYPTED))))
    assert believed == []
    assert meter.newest is None


@pytest.mark.parametrize("file", VALID)
def test_the_readings_of_each_valid_telegram_agree_with_dsmr_parser(file: str) -> None:
    _, believed, _ = judge(feed([stream_of(file)]))
    assert believed
    for received in believed:
        assert_agreement(file, received)


def variant_of(file: str) -> tuple[str, str]:
    return NOT_AS_LABELLED.get(file) or VARIANTS[ROWS[file]["variant"]]


def assert_agreement(file: str, received: Received) -> None:
    raw, lines = received.telegram.raw, received.readings.lines
    prepare = MADE_READABLE_FOR_PEER.get(file)
    peer = PeerTelegram(prepare(raw) if prepare else raw, variant_of(file)[1], is_checked=file not in UNREADABLE_LINES)
    unreadable = UNREADABLE_LINES.get(file, set())
    assert {reading.code for reading in lines if reading.error} == unreadable
    assert len(received.readings.errors) == len(unreadable)
    said = {reading: peer.say(reading) for reading in lines}
    assert {reading.code for reading in lines if said[reading] is None} == DROPPED_BY_PEER.get(file, set())
    compared = [reading for reading in lines if said[reading] is not None]
    for reading in compared:
        right = PEER_IS_WRONG.get((file, reading.code))
        if right is not None:
            assert said[reading] != right, "dsmr_parser is right by now; take it out of PEER_IS_WRONG"
        assert said_by(reading) == (right or said[reading]), reading
    assert [reading.code for reading in lines] == codes_in(received.telegram.body)


def codes_in(body: bytes) -> list[str]:
    """The OBIS codes in the order of their lines, found without the project's own reading."""
    lines = body.replace(b"\r", b"\n").split(b"\n")[1:]
    return [line.split(b"(")[0].removesuffix(b"*255").decode() for line in lines if line[:1].isdigit()]


def test_the_manifest_names_every_file_and_this_test_every_exception() -> None:
    files = {path.name for path in SHARED_TELEGRAMS.iterdir()} - {"MANIFEST.csv"}
    assert files == ROWS.keys()
    named = {*GOOD_TELEGRAMS, *REFUSALS, *NOT_AS_LABELLED, *DROPPED_BY_PEER, *MADE_READABLE_FOR_PEER, *UNREADABLE_LINES}
    named |= {file for file, _ in PEER_IS_WRONG} | {CAPTURE, ENCRYPTED}
    assert named <= files
    assert {*VALID, *REFUSED, ENCRYPTED} == files

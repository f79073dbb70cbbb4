"""Every text of the page exists in each language, and every text of the gateway is translated by its code."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Formatter

import pytest

from gateway.files.pydantic_errors import SENTENCES, sentence_of
from gateway.files.yaml_errors import TOO_DEEP
from gateway.maps.clients import load_clients
from gateway.maps.load import find_map, load_map, map_names
from gateway.nodes.status_page.files import STATIC
from gateway.nodes.status_page.flow_places import COLUMNS
from gateway.protocol.modbus.advice import OPEN_TEXTS, Advice, Mistake, advice_sentences, advice_text
from gateway.protocol.modbus.advice import TEXTS as ADVICE
from gateway.protocol.modbus.monitor import Exchange
from gateway.protocol.p1.age.verdict import Kind
from gateway.protocol.p1.telegram import RefusalReason
from gateway.protocol.p1.variants import VARIANTS
from gateway.runtime.status import TEXTS
from tests.certificates import make_certificates
from tests.conftest import ROOT
from tests.nodes.status_page.bench import PAGE, serving
from tests.waiting import until

LANGUAGES = ("en", "nl")
EVERY_NODE = """\
meters:
  house: {simulate: true}
  barn: {port: /dev/no-such-device, decryption: {key_file: key}}
  farm: {source: push, token_file: token}
  flat: {source: mqtt}
  dongle: {source: "homewizard://127.0.0.1:1", token_file: token}
push: {listen: "127.0.0.1:0"}
mqtt: {brokers: ["mqtt://127.0.0.1:1"], publish: [telegrams, readings]}
modbus: [{listen: "127.0.0.1:0", units: {1: {meter: house}, 2: {meter: barn}}}]
passthrough:
  - {meter: house, listen: "127.0.0.1:0", tls: {certificate: server.pem, key: server.key, client_ca: ca.pem}}
  - {meter: house, listen: "127.0.0.1:0", telnet: rfc2217}
"""

Texts = Mapping[str, Mapping[str, str]]


def texts(language: str) -> Texts:
    loaded: Texts = json.loads((STATIC / "texts" / f"{language}.json").read_text(), object_pairs_hook=_without_repeats)
    return loaded


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    names = [name for name, _ in pairs]
    assert len(set(names)) == len(names), names
    return dict(pairs)


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def shown_codes(path: Path) -> Iterator[str]:
    """The codes that a module passes to `label` or to a node's `show`."""
    for call in ast.walk(ast.parse(path.read_text())):
        if not isinstance(call, ast.Call):
            continue
        if getattr(call.func, "id", "") == "label":
            shown = call.args[0]
        elif getattr(call.func, "attr", "") == "show" and len(call.args) == 3:
            shown = call.args[2]
        else:
            continue
        alternatives = (shown.body, shown.orelse) if isinstance(shown, ast.IfExp) else (shown,)
        yield from (str(each.value) for each in alternatives if isinstance(each, ast.Constant))


def node_kinds(path: Path) -> list[str]:
    return re.findall(r'(?m)^    kind = "(.+)"$', path.read_text())


def problem_codes() -> set[str]:
    """The codes of the problems that a node can show."""
    transport = ("transport/client_tls.py", "transport/mqtt*.py", "transport/timed_reading.py")
    folders = ("problems/system.py", "protocol/p1/diagnosis.py", "lines/*.py", *transport, "nodes/**/*.py")
    return {
        call.args[0].value
        for folder in folders
        for path in (ROOT / "gateway").glob(folder)
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "problem_of"
        if isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str)
        if "file" not in call.args[0].value
    }


def configuration_codes() -> set[str]:
    """The codes of the problems that a configuration can have: hyphenated words in the calls that make a problem."""
    found = {code for code, *_ in SENTENCES.values()} | {TOO_DEEP, sentence_of({"type": "none"})[0]}
    tls = ("transport/tls_check.py", "transport/certificates.py", "transport/secret_file.py")
    for each in (
        "config/*.py",
        "files/*.py",
        "maps/*.py",
        *tls,
        "problems/system.py",
        "service/run.py",
        "service/audit_log.py",
    ):
        for path in (ROOT / "gateway").glob(each):
            for call in ast.walk(ast.parse(path.read_text())):
                if not isinstance(call, ast.Call):
                    continue
                name = getattr(call.func, "id", None) or getattr(call.func, "attr", "")
                if name in ("problem_of", "problem", "_problem", "invalid", "refuse", "_refuse_twice", "_unreadable"):
                    texts_in = [arg.value for arg in call.args if isinstance(arg, ast.Constant)]
                    found |= {str(text) for text in texts_in if re.fullmatch("[a-z0-9]+(-[a-z0-9]+)+", str(text))}
    return found


def test_each_problem_of_a_configuration_is_translated_by_its_code() -> None:
    assert texts("en")["problems"] == {}, "the gateway sends the English text itself"
    dutch = texts("nl")
    assert len(configuration_codes()) > 90
    assert dutch["problems"].keys() == configuration_codes() - dutch["labels"].keys()


@pytest.mark.parametrize("section", ["page", "details"])
def test_the_page_has_the_same_texts_in_each_language(section: str) -> None:
    english, dutch = (texts(language)[section] for language in LANGUAGES)
    assert english.keys() == dutch.keys()
    for key, text in english.items():
        assert placeholders(text) == placeholders(dutch[key]), key


def test_every_code_of_the_gateway_has_an_english_and_a_dutch_text_with_the_same_values() -> None:
    assert texts("en")["labels"] == {}, "the gateway sends the English text itself"
    dutch = texts("nl")["labels"]
    advice = {code_of(mistake): change for mistake, (change, _) in ADVICE.items()}
    advice |= {f"{code_of(mistake)}-reason": reason for mistake, (_, reason) in ADVICE.items()}
    advice |= {f"{code_of(mistake)}-open": change for mistake, change in OPEN_TEXTS.items()}
    assert dutch.keys() == TEXTS.keys() | problem_codes() | advice.keys()
    for code, text in [*TEXTS.items(), *advice.items()]:
        assert placeholders(text) == placeholders(dutch[code]), code


def test_every_status_that_a_node_shows_has_a_text() -> None:
    shown = {code for path in (ROOT / "gateway").rglob("*.py") for code in shown_codes(path)}
    assert len(shown) > 30
    assert shown - TEXTS.keys() == set()


def test_every_reason_to_refuse_a_telegram_has_a_text() -> None:
    for reason in RefusalReason:
        assert f"refused-{reason.replace(' ', '-')}" in TEXTS
        for language in LANGUAGES:
            assert f"refused_{reason.replace(' ', '_')}" in texts(language)["page"]


def test_every_reason_not_to_serve_a_telegram_has_a_text() -> None:
    for kind in set(Kind) - {Kind.FRESH, Kind.LATE}:
        for language in LANGUAGES:
            assert f"refused_{kind.value.replace(' ', '_')}" in texts(language)["page"]


def test_the_page_uses_no_text_that_does_not_exist() -> None:
    known = texts("en")["page"].keys()
    for path in [*STATIC.glob("*.js"), STATIC / "index.html"]:
        code = path.read_text()
        used = {*re.findall(r"""\bt\("(\w+)\"""", code), *re.findall(r'data-(?:text|label)="(\w+)"', code)}
        assert used - known == set(), path.name


def test_no_text_is_left_that_the_page_does_not_use() -> None:
    code = "".join(path.read_text() for path in [*STATIC.glob("*.js"), STATIC / "index.html"])
    begins = tuple(re.findall(r"`([a-z_]+_)\$\{", code))
    by_value = {"high word first", "low word first"}
    names = {*re.findall(r"""["'`](\w+)["'`]""", code), *by_value}
    names |= {f"{name}_one" for name in names}  # the form for a single one
    assert {name for name in texts("en")["page"] if name not in names and not name.startswith(begins)} == set()


def test_the_page_reads_no_sentence() -> None:
    for path in STATIC.glob("*.js"):
        assert "RegExp" not in path.read_text(), path.name


def test_every_kind_of_node_has_a_dutch_name() -> None:
    kinds = {kind for path in (ROOT / "gateway" / "nodes").rglob("*.py") for kind in node_kinds(path)}
    assert texts("en")["kinds"] == {}, "the gateway sends the English name itself"
    assert kinds - {"line output"} == texts("nl")["kinds"].keys(), "a line output is never on the page"


def test_every_kind_of_node_that_is_drawn_has_a_glyph_and_a_place_for_its_kind() -> None:
    kinds = {kind for path in (ROOT / "gateway" / "nodes").rglob("*.py") for kind in node_kinds(path)}
    drawn = {"client"} | kinds - {"line output", "control", "announcement"}
    glyphs = re.findall(r'id="glyph-([^"]+)"', (STATIC / "index.html").read_text())
    assert sorted(glyphs) == sorted(kind.lower().replace(" ", "-") for kind in drawn)
    assert COLUMNS.keys() <= drawn


def test_every_english_title_and_text_of_a_client_has_a_dutch_one() -> None:
    titles = {load_map(find_map(name, ROOT)).title for name in map_names()}
    titles |= {variant.title for variant in VARIANTS.values()}
    for client in load_clients():
        titles |= {client.why_not, *(way.select for way in client.ways)}
    words = re.compile(
        r"(?<!-)\b(an?|added|and|as|detects|for|from|layout|meters?(?!:)|only|series|version|of|or|the|with)\b"
        r"|^(Austria|Belgium|Germany|Hungary|Lithuania|Luxembourg|Sweden)\b"
    )
    assert texts("en")["titles"] == {}, "the gateway sends the English title itself"
    assert texts("nl")["titles"].keys() == set(filter(words.search, titles))


@pytest.mark.parametrize("language", LANGUAGES)
def test_only_the_view_and_the_end_of_a_fresh_chart_are_called_now(language: str) -> None:
    """All other texts are shown while a meter is stale too."""
    page = texts(language)["page"]
    assert {key for key, text in page.items() if re.search(r"\b(now|nu)\b", text, re.IGNORECASE)} == {"now", "axis_now"}


async def test_every_detail_of_a_node_has_a_name(tmp_path: Path) -> None:
    make_certificates(tmp_path)
    (tmp_path / "token").write_text("0123456789ABCDEF")
    (tmp_path / "key").write_text(32 * "A")
    async with serving(tmp_path, EVERY_NODE + PAGE, waits=False) as bench:
        passthrough = next(node for node in bench.wiring.flow.nodes if node.kind == "passthrough")
        await until(lambda: any("valid_until" in name for name in passthrough.details()), "the certificate")
        nodes = (await bench.get("/api/status")).data["nodes"]
    named = {name.partition(" (")[0] for node in nodes for name in node["details"]}
    # These are counted by their reason, so that there is no counter before the first.
    named |= {f"telegrams_{what}" for what in ("refused", "not_served", "not_decrypted")}
    for language in LANGUAGES:
        assert named == texts(language)["details"].keys()


def code_of(mistake: Mistake) -> str:
    """The code of the sentence about what to change."""
    return f"advice-{mistake.replace(' ', '-')}"


def test_an_advice_has_all_its_values_and_a_code_for_each_sentence() -> None:
    dutch = texts("nl")["labels"]
    exchange = Exchange(0, "client", 1, bytes.fromhex("0300650002"), b"\x83\x02")
    for mistake in Mistake:
        assert "{" not in advice_text(Advice(mistake, 3, "power_net"), exchange)
        assert "—" not in advice_text(Advice(mistake, register="power_net"), exchange) or mistake not in OPEN_TEXTS
        for advice in (Advice(mistake), Advice(mistake, 3, "power_net")):
            assert all(sentence.code in dutch for sentence in advice_sentences(advice, exchange))

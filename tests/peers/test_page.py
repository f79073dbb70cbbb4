"""The status page in a real browser: what it shows, live, to every visitor."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.config import check_config
from tests.conftest import own_telegram
from tests.nodes.status_page.test_registers import OWN_MAP
from tests.peers.browser import NO_RESPONSE, PHONE, Visit, open_browser
from tests.peers.harness import Gateway, ModbusClient, SerialPort, free_port, read_request, running, wait_until

VIEWS = ("now", "flow", "fleet", "registers", "telegram", "clients", "connect", "charts")
TELEGRAM = own_telegram("v50_iskra-am550-solar")
FILLED = {"registers": "tr[data-register]", "charts": ".chart svg text", "now": ".hero svg text"}
"""What stands in a view once its data is there."""

THREE_EVENTS = """new Promise((done) => {
  let left = 3;
  const events = new EventSource("events");
  events.onmessage = () => { left -= 1; if (!left) { events.close(); done(); } };
})"""
"""Waits until the gateway has sent as many."""

Visitor = Callable[..., Visit]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with open_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SerialPort]:
    """The P1 port of the second meter."""
    with SerialPort(tmp_path_factory.mktemp("devices") / "p1") as port:
        yield port


class Served(Gateway):
    """A gateway with two meters and a page."""

    def __init__(self, folder: Path, device: Path | None = None, page_port: int = 0) -> None:
        self.page_port = page_port or free_port()
        meters: dict[str, Any] = {"house": {"simulate": True}}
        if device:
            meters["barn"] = {"port": str(device), "dsmr_version": "5", "stale_after": "2s"}
        units: dict[int, Any] = {1: {"meter": "house"}, 2: {"meter": "house", "map": "abb-b23"}}
        if device:
            units[3] = {"meter": "barn", "map": "dsmr-5"}
        settings = {"meters": meters, "status_page": {"listen": f"127.0.0.1:{self.page_port}"}}
        super().__init__(folder, {}, {"units": units}, passthrough=[{"meter": "house"}], settings=settings)
        self.wait_for_port(self.page_port)


@pytest.fixture(scope="module")
def gateway(port: SerialPort, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with running(gateway := Served(tmp_path_factory.mktemp("gateway"), port.link)):
        yield gateway


@pytest.fixture
def visit(browser: Any, gateway: Served) -> Iterator[Visitor]:
    """Visitors; whatever they do, the page says no error and asks nothing of anybody else."""
    visits: list[Visit] = []

    def begin(**options: Any) -> Visit:
        visits.append(Visit(browser, gateway.page_port, **options))
        return visits[-1]

    yield begin
    for each in visits:
        each.context.close()
        assert each.errors == []
        assert each.elsewhere == []


def node(page: Any, kind_or_label: str) -> Any:
    return page.locator(f'[data-node][aria-label^="{kind_or_label}"]')


def test_the_flow_is_drawn_with_all_nodes_and_wires(visit: Visitor, gateway: Served, port: SerialPort) -> None:
    with port.sending(TELEGRAM):
        page = visit().open()
        node(page, "P1 port barn: OK").wait_for()
        labels = page.locator('.node:not([data-node^="client "]) .label').all_text_contents()
        assert sorted(label.split(" :")[0] for label in labels) == [
            *("1: dsmr", "2: abb-b23", "3: dsmr-5", "DSMR parser", "DSMR parser", "Modbus/TCP", "P1 port barn"),
            *("passthrough", "simulated meter house", "status page"),
        ]
        status = page.evaluate("fetch('api/status').then((answer) => answer.json())")
        # One wire to the passthrough is enough, from the line or from the parser.
        clients = page.locator('[data-node^="client "]').count()
        assert page.locator(".wire").count() - clients == len(status["wires"]) - 1 == 11
        # Nodes of one kind stand under each other, and none covers another.
        boxes = [each.bounding_box() for each in page.locator(".node .body").all()]
        assert len({(box["x"], box["y"]) for box in boxes}) == len(boxes)
        for one in boxes:
            for other in boxes:
                apart_x = abs(one["x"] - other["x"]) >= min(one["width"], other["width"])
                assert one is other or apart_x or abs(one["y"] - other["y"]) >= 45
        node(page, "2: abb-b23").click()
        assert "abb-b23" in page.locator("dl").inner_text()
        assert node(page, "2: abb-b23").get_attribute("aria-expanded") == "true"
        page.keyboard.press("Escape")
        assert node(page, "2: abb-b23").get_attribute("aria-expanded") == "false"
        assert not page.locator(".drawer").is_visible()
        page.get_by_text("house: the first telegram arrived").wait_for()


def test_a_meter_that_stops_and_returns_is_seen_at_once(visit: Visitor, port: SerialPort) -> None:
    visitor = visit()
    page = visitor.open()
    with port.sending(TELEGRAM):
        page.wait_for_selector('[aria-label^="3: dsmr-5: OK"]', state="attached")
        visitor.screenshot("flow_online")
    port.unplug()
    page.wait_for_selector('[aria-label^="P1 port barn: failed"]', state="attached")
    page.wait_for_selector('[aria-label^="3: dsmr-5: failed, stale"]', state="attached")
    page.locator("#pill", has_text="1 of 2 fresh").wait_for()
    visitor.screenshot("flow_offline")
    port.plug_in()
    with port.sending(TELEGRAM):
        page.wait_for_selector('[aria-label^="3: dsmr-5: OK"]', state="attached")


def test_a_change_of_status_reaches_the_browser_by_itself(visit: Visitor, gateway: Served) -> None:
    page = visit().open()
    server = '[aria-label^="Modbus/TCP"]'
    page.wait_for_selector(f'{server}[aria-label*="no client"]', state="attached")
    with ModbusClient(gateway.port) as client:
        client.registers(0, 1)
        page.wait_for_selector(f'{server}[aria-label*="1 client"]', state="attached")
    page.wait_for_selector(f'{server}[aria-label*="no client"]', state="attached")


def test_a_page_loads_itself_again_when_the_gateway_has_another_version(visit: Visitor) -> None:
    page = visit().open("flow")
    page.evaluate("window.isOld = true")
    status = page.evaluate("fetch('api/status').then((response) => response.json())") | {"version": "99"}
    event = f"data: {json.dumps(status)}\n\n"
    page.route("**/events*", lambda route: route.fulfill(body=event, content_type="text/event-stream"), times=1)
    page.evaluate("location.hash = 'clients'")
    page.wait_for_function("() => !window.isOld")
    page.wait_for_selector("main[data-view=clients]")


def test_an_offline_meter_shows_what_a_client_gets(browser: Any, tmp_path: Path) -> None:
    """Constants stay where `on_stale` keeps them; no other value is shown but the one that a client gets."""
    page_port = free_port()
    meter = {"port": str(tmp_path / "p1"), "dsmr_version": "5", "stale_after": "2s"}
    units = {
        1: {},
        2: {"map": "own.yaml", "on_stale": "silent"},
        3: {"map": "own.yaml", "on_stale": "absent"},
        4: {"map": "own.yaml", "on_stale": "hold"},
        5: {"map": "own.yaml", "on_stale": "exception"},
    }
    expected = {
        2: ("no response", "no response", "A read gets no response."),
        3: ("—", "7", "A read gets the codes for absent values."),
        4: (" W (stale, ", "7", "A read gets the last values, however old they are."),
        5: ("exception 0x0B", "exception 0x0B", "A read gets exception 0x0B."),
    }
    (tmp_path / "gateway").mkdir()
    (tmp_path / "gateway" / "own.yaml").write_text(OWN_MAP)
    with SerialPort(tmp_path / "p1") as port:
        settings = {"status_page": {"listen": f"127.0.0.1:{page_port}"}}
        gateway = Gateway(tmp_path / "gateway", meter, {"units": units}, settings=settings)
        with running(gateway):
            gateway.wait_for_port(page_port)
            with port.sending(TELEGRAM), gateway.client() as client:
                # The first telegrams of a line are compared before they are served.
                wait_until(lambda: client.registers(1, 1)[0] & 1, "fresh readings")
            visitor = Visit(browser, page_port)
            visitor.context.set_default_timeout(60_000)  # a busy machine draws the page slowly
            page = visitor.open("registers")
            for unit_id, (reading, constant, sentence) in expected.items():
                page.get_by_label("Unit").select_option(f"0/{unit_id}")
                page.get_by_text("The readings are stale").and_(page.get_by_text(sentence)).wait_for()
                power, version = (page.locator(f"tr[data-register={name}]") for name in ("power", "version"))
                power.get_by_text(reading).first.wait_for()
                assert version.locator("td").nth(3).inner_text() == constant
                assert (power.locator("td").nth(4).inner_text() == "") == (unit_id in (2, 5))
                visitor.screenshot(f"registers_stale_{unit_id}")
            assert page.locator("del").count() == 0
            page = visitor.open("connect")
            for _, _, sentence in expected.values():
                page.get_by_text(sentence).first.wait_for()
            page = visitor.open("flow")
            node(page, "2: own").click()
            page.get_by_text("A read gets no response.").wait_for()
            page = visitor.open("fleet")
            page.get_by_text("meters in the sum: 0; left out: 1").wait_for()
            assert "kW" not in page.locator(".fleet-sum").inner_text(), "the sum of no meters is no power"
            assert visitor.errors == []
            visitor.context.close()


def test_registers_are_searched_and_filtered(visit: Visitor) -> None:
    visitor = visit()
    page = visitor.open("registers")
    page.wait_for_selector("tr[data-register]")
    everything = page.locator("tr[data-register]").count()
    page.get_by_label("Search").fill("gas_reading")
    page.wait_for_function("() => document.querySelectorAll('tr[data-register]').length < 10")
    assert all("gas_reading" in name for name in page.locator("button.name").all_inner_texts())
    page.get_by_label("Search").fill("1-0:21.7.0")
    page.wait_for_function(
        "() => [...document.querySelectorAll('button.name')].some((e) => e.textContent === 'power_net_l1')"
    )
    page.get_by_label("Search").fill("")
    page.get_by_label("absent only").check()
    page.wait_for_function("() => document.querySelectorAll('tr[data-register]').length > 10")
    absent = page.locator("tr[data-register]").count()
    assert absent < everything
    assert set(page.locator("tr[data-register] td:nth-child(4)").all_inner_texts()) == {"—"}
    page.get_by_label("absent only").uncheck()
    page.get_by_label("Unit").select_option(label="2: abb-b23 (modbus " + str(page_server(page)) + ", house)")
    page.wait_for_selector('caption:has-text("register map abb-b23")')
    visitor.screenshot("registers")


def press_alt_slash(page: Any) -> None:
    """Press Alt+/ as a keyboard does: an access key needs the character, which Playwright does not send with Alt."""
    press = {"type": "keyDown", "modifiers": 1, "key": "/", "code": "Slash", "text": "/", "unmodifiedText": "/"}
    page.context.new_cdp_session(page).send("Input.dispatchKeyEvent", press)


def page_server(page: Any) -> str:
    name = page.evaluate("fetch('api/status').then((answer) => answer.json())")["servers"][0]["name"]
    return str(name).removeprefix("modbus ")


def test_a_register_marks_its_lines_and_a_line_its_registers(visit: Visitor) -> None:
    visitor = visit()
    page = visitor.open("registers")
    page.wait_for_selector("tr[data-register]")
    page.get_by_role("button", name="power_net", exact=True).click()
    page.wait_for_selector("li.marked")
    marked = page.locator("li.marked button").all_inner_texts()
    assert [line[:9] for line in marked] == ["1-0:1.7.0", "1-0:2.7.0"]
    assert page.locator("tr.marked").count() == 1
    visitor.screenshot("registers_marked")
    page.locator("ol.telegram button", has_text="0-1:24.2.1").click()
    page.wait_for_function("() => document.querySelectorAll('li.marked').length === 1")
    names = page.locator("tr.marked button.name").all_inner_texts()
    assert {"gas_reading", "gas_reading_f32", "mbus1_reading"} <= set(names)
    assert "power_net" not in names


def test_identifiers_are_masked_until_asked_for(visit: Visitor) -> None:
    visitor = visit()
    page = visitor.open("telegram")
    line = page.locator("ol.telegram button", has_text="0-0:96.1.1")
    line.wait_for()
    assert set(line.inner_text().partition("(")[2]) == {"X", ")"}
    page.get_by_label("show identifiers").check()
    page.wait_for_function("() => !document.querySelector('ol.telegram').textContent.includes('96.1.1(X')")
    assert page.locator("table tbody tr").count() >= 1


def test_the_telegram_is_copied_whole(visit: Visitor) -> None:
    visitor = visit(permissions=["clipboard-read", "clipboard-write"])
    page = visitor.open("telegram")
    page.locator("ol.telegram button").first.wait_for()
    page.get_by_role("button", name="Copy").click()
    page.get_by_role("button", name="Copied").wait_for()
    text = page.evaluate("navigator.clipboard.readText()")
    assert text.startswith("/SIM5")
    assert text.rstrip()[-5] == "!"


def test_requests_are_shown_with_what_is_likely_wrong(visit: Visitor, gateway: Served) -> None:
    with ModbusClient(gateway.port) as client:
        wait_until(lambda: client.registers(1, 1)[0] & 1, "fresh readings")
        client.ask(read_request(100, 2))
        client.ask(read_request(101, 2))
        client.ask(read_request(100, 2), 99)
        client.ask(read_request(40_101, 2))
        visitor = visit()
        page = visitor.open("clients")
        page.get_by_text("Read power_net at address 100 instead of 101.").first.wait_for()
        page.get_by_text("Unit 99 is not configured.").first.wait_for()
        page.get_by_text("Read power_net at address 100 instead of 40101.").first.wait_for()
        host = page.locator(".clients-hosts tr", has_text="127.0.0.1").first
        host.get_by_text("1 open").wait_for()
        page.locator(".clients-requests").get_by_text(re.compile(r"^power_net \u2212?\d+ W$")).first.wait_for()
        page.get_by_role("button", name="Copy 100").first.wait_for()
        visitor.screenshot("clients")
        # A pause holds the list of requests, and nothing that would look current.
        page.get_by_label("pause").check()
        client.ask(read_request(100, 2), 98)
        page.get_by_text("Unit 98 is not configured.").first.wait_for()
        assert page.locator(".clients-requests", has_text="unit 98").count() == 0
        page.get_by_label("pause").uncheck()
        page.locator(".clients-requests", has_text="unit 98").wait_for()


def test_a_fleet_shows_the_broken_first_and_draws_only_what_is_in_sight(browser: Any, tmp_path: Path) -> None:
    page_port = free_port()
    gone = {f"kade-{number}": {"port": "/dev/none"} for number in range(3, 60)}
    meters = {"kade-1": {"simulate": True}, "kade-2": {"simulate": True}} | gone | {"last": {"port": "/dev/none"}}
    settings = {"meters": meters, "status_page": {"listen": f"127.0.0.1:{page_port}"}}
    gateway = Gateway(tmp_path, {}, {"units": {1: {"meter": "kade-1"}}}, settings=settings)
    with running(gateway):
        gateway.wait_for_port(page_port)
        visitor = Visit(browser, page_port)
        page = visitor.open("fleet")
        page.locator(".fleet-count", has_text="2 of 60 fresh").wait_for()
        first = page.locator(".fleet-row[data-order='0']")
        assert "kade-3" in first.inner_text()
        page.locator(".fleet-row[data-order='0']", has_text="no such device").wait_for()
        page.get_by_text("meters in the sum: 2; left out: 58").wait_for()
        rows = page.locator(".fleet-row")
        assert rows.count() <= 40
        page.locator(".fleet-port").evaluate("(port) => port.scrollTo(0, 1e6)")
        page.locator(".fleet-row[data-order='59']").wait_for()
        assert rows.count() <= 40
        press_alt_slash(page)
        page.keyboard.type("kade-17")
        page.wait_for_function("() => document.querySelectorAll('.fleet-row').length === 1")
        assert rows.first.inner_text().startswith("kade-17")
        page.get_by_label("Search").fill("")
        page.get_by_role("button", name="Meter", exact=True).click()
        page.locator("[data-order='0'] .name", has_text="kade-1").wait_for()
        page.get_by_role("button", name="Late").click()
        page.get_by_text("No meter matches.").wait_for()
        page.get_by_role("button", name="Show all").click()
        rows.first.wait_for()
        assert visitor.accessibility_faults() == []
        visitor.screenshot("fleet")
        # A tall phone shows more rows than the gateway has lines of the last hour for; it does not show these lines.
        page.set_viewport_size({"width": 390, "height": 4000})
        page.reload()
        page.locator(".fleet-row[data-order='45']").wait_for()
        rows.first.get_by_role("link").focus()
        visitor.page.goto(f"{visitor.origin}/#flow/last")
        page.get_by_text("No fresh telegrams from last.").wait_for()
        page.locator(".wire-label", has_text="—").first.wait_for()
        assert page.locator(".wire-label.off", has_text="stale").count() == 0
        visitor.page.goto(f"{visitor.origin}/#now/last")
        page.locator(".hero.never").wait_for()
        assert page.locator(".facts dd").all_inner_texts() == ["—", "—", "—"], "not 0: nothing was counted yet"
        visitor.page.goto(f"{visitor.origin}/#now/kade-1")
        page.locator(".hero.fresh").wait_for()
        page.locator("#pill", has_text="2 of 60 fresh").wait_for()
        assert visitor.errors == []
        visitor.context.close()


def test_what_is_chosen_is_never_shown_with_the_values_of_another(visit: Visitor, port: SerialPort) -> None:
    """Without a response of the gateway, the page shows nothing; an older one would look current."""
    visitor = visit()
    with port.sending(TELEGRAM):
        page = visitor.open("registers")
        page.wait_for_selector("tr[data-register]")
        page.route("**/api/*", lambda _route: None)
        page.get_by_label("Unit").select_option("0/2")
        page.locator("tr[data-register]").first.wait_for(state="detached")
        page.unroute_all(behavior="ignoreErrors")
        page = visitor.open("telegram")
        page.locator("ol.telegram").wait_for()
        page.route("**/api/*", lambda _route: None)
        page.get_by_label("Meter").select_option("barn")
        page.locator("ol.telegram").wait_for(state="detached")
        page.unroute_all(behavior="ignoreErrors")
        page = visitor.open("charts/house")
        page.get_by_role("img", name="Net power").wait_for()
        page.route("**/events*", lambda _route: None)
        page.get_by_role("button", name="barn").click()
        assert page.get_by_role("button", name="house").get_attribute("aria-pressed") == "true"


def test_values_are_struck_while_the_gateway_does_not_respond(visit: Visitor, gateway: Served) -> None:
    """A network that stops closes no connection, and the page has no other sign of it for some time."""
    with ModbusClient(gateway.port) as client:
        client.registers(0, 1)
    shown = {"registers": "td.live", "telegram": "ol.live", "clients": "tbody.live"}
    pages = {values: visit().open(view) for view, values in shown.items()}

    def wait_for(ancestors: str) -> None:
        for values, page in pages.items():
            page.locator(f"{ancestors} {values}").first.wait_for()

    wait_for("main:not(.lost) > div:not(.lost)")
    gateway.pause()
    try:
        wait_for("body:not(.lost) :is(main, main > div).lost")
    finally:
        gateway.resume()
    wait_for("main:not(.lost) > div:not(.lost)")


def test_a_net_power_of_zero_has_no_direction(visit: Visitor, port: SerialPort) -> None:
    balanced = re.sub(rb"(1-0:[12]\.7\.0\()[\d.]+", rb"\g<1>00.000", TELEGRAM)
    page = visit().open("now/barn")
    with port.sending(balanced):
        page.get_by_text("Nothing imported or exported").wait_for()
        assert page.locator(".direction.soft use").count() == 1


def test_an_export_is_downloaded(visit: Visitor, gateway: Served) -> None:
    visitor = visit()
    page = visitor.open("connect")
    page.get_by_text("Downloads").nth(1).click()
    visitor.screenshot("connect")
    with page.expect_download() as download:
        page.get_by_role("link", name="for Node-RED").first.click()
    assert download.value.suggested_filename == "abb-b23-node-red.json"
    flow = json.loads(Path(download.value.path()).read_text())
    (server,) = [each for each in flow if each["type"] == "modbus-client"]
    assert int(server["tcpPort"]) == gateway.port
    with page.expect_download() as download:
        page.get_by_role("link", name="Register table (CSV)").first.click()
    assert Path(download.value.path()).read_text().startswith("address,")


def test_a_client_is_chosen_by_name_and_its_configuration_is_copied(visit: Visitor, tmp_path: Path) -> None:
    visitor = visit(permissions=["clipboard-read", "clipboard-write"])
    page = visitor.open("connect")
    page.get_by_label("I have a").select_option("SmartEVSE")
    page.get_by_text("RTU on a serial line").wait_for()
    page.get_by_text("9600 baud, 8N1 (8 data bits, no parity, 1 stop bit)").wait_for()
    page.get_by_label("Meter that it reads").select_option(label="ABB: abb-b23")
    page.get_by_text("{map: abb-b23}").wait_for()
    visitor.screenshot("connect_smartevse")
    page.locator(".configuration button").click()
    page.get_by_role("button", name="Copied").wait_for()
    (tmp_path / "gateway.yaml").write_text(page.evaluate("navigator.clipboard.readText()"))
    config, _ = check_config(tmp_path / "gateway.yaml", {}).valid()
    (server,) = config.modbus
    assert server.serial is not None
    assert (server.serial.baudrate, server.serial.parity, list(server.units)) == (9600, "N", [11])
    page.get_by_label("I have a").select_option("Victron GX")
    page.get_by_label("Meter that it reads").select_option(label="detects an ABB B23: abb-b23")
    page.get_by_text("unit 2 of modbus").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_chosen_client_is_shown_in_dutch_on_a_phone(visit: Visitor, scheme: str) -> None:
    phone = {"width": 390, "height": 844}
    visitor = visit(locale="nl-NL", viewport=phone, has_touch=True, is_mobile=True, color_scheme=scheme)
    page = visitor.open("connect")
    page.get_by_label("Ik heb een").select_option("evcc")
    page.get_by_label("Meter die hij leest").select_option(label="template cg-emt3xx, RS485 over TCP: cg-em3xx")
    page.get_by_text("RTU over TCP: RTU-frames met CRC").wait_for()
    page.get_by_label("Meter die hij leest").select_option("0")
    page.get_by_text("een eigen meter (type custom), uit `dsmr-gateway export evcc`", exact=True).wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= phone["width"]
    assert visitor.accessibility_faults() == []
    visitor.screenshot(f"connect_evcc_phone_{scheme}")


def test_charts_show_the_last_hour_and_are_read_by_keyboard(visit: Visitor) -> None:
    visitor = visit()
    page = visitor.open("charts")
    page.get_by_role("img", name="Longest interval").wait_for()
    assert page.locator(".chart:visible").count() == 4
    chart = page.locator("#chart-power")
    assert chart.locator(".readout").inner_text().startswith("now")
    slider = page.get_by_role("slider", name="Net power")
    slider.focus()
    page.keyboard.press("Home")
    page.locator("#chart-voltage .cursor").wait_for(state="attached")
    spoken = slider.get_attribute("aria-valuetext")
    assert re.match(r"[0-9:]{5} .* W", spoken), spoken
    page.keyboard.press("End")
    chart.locator(".cursor").wait_for(state="detached")
    assert slider.get_attribute("aria-valuetext").startswith("now ")
    page.get_by_role("button", name="24 h").click()
    page.get_by_text("last 5 min").first.wait_for()
    page.get_by_text("as a table").click()
    page.locator("table tbody tr").first.wait_for()
    visitor.screenshot("charts")


def test_what_is_stale_is_shown_as_that_in_now_and_charts(visit: Visitor, port: SerialPort) -> None:
    visitor = visit()
    page = visitor.open("now/barn")
    with port.sending(TELEGRAM):
        page.wait_for_selector(".hero.fresh .imp, .hero.fresh .exp")
        page.get_by_text("power_net").wait_for()
        # A time without its day would look like one of today.
        page.get_by_text(re.compile(r"^read at \d+ Jun")).wait_for()
        assert page.locator(".watts.live").count() == 3
        visitor.screenshot("now_fresh")
    page.wait_for_selector(".hero.stale")
    page.get_by_text("The present power is not known.").wait_for()
    page.get_by_text("Unit 3 (dsmr-5): exception 0x0B.").wait_for()
    assert page.locator(".live").count() == 0
    assert re.search(r"\bnow\b", page.locator("#view").inner_text()) is None
    visitor.screenshot("now_stale")
    page = visitor.open("charts/barn")
    page.get_by_text("no telegrams").first.wait_for()
    texts = page.locator("#view").evaluate(
        "(view) => view.textContent + [...view.querySelectorAll('[aria-label]')].map((e) => e.ariaLabel).join(' ')"
    )
    assert re.search(r"\bnow\b", texts) is None
    assert page.locator("#chart-power .readout").inner_text().startswith("last, ")
    visitor.screenshot("charts_stale")


PURE = """async () => {
  const { digitsOf, nice, timeTicks, runs, gaps, path, series } = await import("./static/drawing.js");
  const { meterState, meterStates } = await import("./static/marks.js");
  const meter = { age_s: 1, telegrams: 5, late_after_s: 3, stale_after_s: 5 };
  const unserved = { ...meter, age_s: null };
  const unseen = { ...unserved, telegrams: 0 };
  const points = [1, null, null, 2, 3];
  const kept = series("hour");
  const asked = [];
  const follow = async (at, first, telegrams) => kept.follow({
    event: { at },
    get: async (path, { since }) => { asked.push(since); return { at, bucket_s: 10, first, columns: { telegrams } }; },
  }, "m");
  const buckets = [[100, 0, []], [145, 80, [null, 0, 1, 2, 3, 4]], [150, 0, []], [165, 130, [5, 6, 7]]];
  const grew = [];
  for (const each of buckets) grew.push(await follow(...each));
  const known = (at, age, isServed) => {
    const { end, points } = kept.known({ name: "m", at, age, isServed });
    return [end, points.map((point) => [point.at, point.telegrams])];
  };
  const { create } = await import("./static/fleet.js");
  const limits = { due_s: 1, late_after_s: 3, stale_after_s: 10 };
  const row = { position: 0, has_sent: true, ...limits, errors: 0, clients: 1 };
  let respond;
  const many = {
    isLost: false, receivedAt: performance.now(), elapsed: () => 20,
    get: () => new Promise((done) => { respond = done; }),
    event: { fleet: [{ name: "m", line: "/dev/x", is_simulated: false }], rows: [row], telegrams: [0, 100, 5] },
  };
  const fleet = create(many);
  const fresh = () => fleet.element.querySelector(".fleet-count").firstChild.textContent;
  fleet.update();
  const served = [fresh()];
  const real = performance.now.bind(performance);
  performance.now = () => real() + 20_000;
  fleet.tick();
  served.push(fresh());
  performance.now = real;
  // Another event with all meters comes before the response.
  const asking = fleet.refresh();
  many.event = { ...many.event };
  fleet.update();
  respond({ lines: [{ meter: "m", points: [1, 2] }] });
  await asking;
  const lines = fleet.element.querySelectorAll(".line svg").length;
  const { create: createFlow } = await import("./static/flow.js");
  let elapsed = 0;
  const wire = (target, unit) => (
    { source: "a", target, unit, meter: "m", is_alive: true, per_s: 1, power_w: null, shows: unit });
  const place = (name, column) => ({ name, column, row: 1, depth: 0, parent: null });
  const flow = createFlow({
    isLost: false, path: [], elapsed: () => elapsed,
    event: {
      meters: [{ ...meter, name: "m" }], more_clients: 0, changes: 0,
      nodes: ["a", "b", "c"].map((name) => ({
        name, kind: "DSMR parser", label: name, short: name, details: {},
        status: { colour: "green", mark: "dot", label: { text: "" } },
      })),
      clients: [], wires: [wire("b", "telegrams"), wire("c", "requests")],
      places: [place("a", 1), place("b", 2), place("c", 3)],
      accepted: {},
    },
  });
  document.body.append(flow.element);
  const dead = () => flow.element.querySelectorAll(".wire.dead").length;
  flow.update();
  const wires = [dead()];
  elapsed = 20;
  flow.beat();
  wires.push(dead());
  flow.close();
  flow.element.remove();
  return {
    wires, lines,
    served, digits: [[0, 1], [0, 0.3, 0.7], [0, 0.025]].map(digitsOf),
    nice: [nice(-1.4, 1.9, 4), nice(0, 0.1, 4), nice(0, 4, 2)],
    ticks: timeTicks(1_000_000, 1_003_600, 5, 3600).map((at) => (at + 3600) % 900),
    runs: runs(points, (each) => each !== null),
    gaps: gaps(points, (each) => each !== null),
    path: path([[1, 2]]),
    states: [[meter, 0], [meter, 2.5], [meter, 4.5], [meter, 0, true], [unserved, 0], [unseen, 0]]
      .map(([each, elapsed, isLost]) => meterState(each, elapsed, isLost).state),
    counted: [[19, 4.5], [20, 4.5], [20, 9.5]]
      .map(([count, elapsed]) => meterStates(Array(count).fill(meter), elapsed, false).at(-1).state),
    grew, asked, fresh: known(152, 1, true), stale: known(152, 20, false), later: known(3725, 1, true),
  };
}"""


def test_the_helpers_of_drawings_and_states_count_right(visit: Visitor) -> None:
    found = visit().open("now").evaluate(PURE)
    assert found["nice"] == [[-2, -1, 0, 1, 2], [0, 0.025, 0.05, 0.075, 0.1], [0, 2, 4]]
    assert set(found["ticks"]) == {0}
    assert (found["runs"], found["gaps"], found["path"]) == ([[1], [2, 3]], [[None, None]], "M1.0 2.0h1")
    assert found["states"] == ["fresh", "late", "stale", "lost", "stale", "never"]
    assert found["counted"] == ["stale", "fresh", "stale"], "the status of many meters comes every 5 s"
    assert (found["grew"], found["asked"]) == ([True, True, False, True], [0, 0, 135])
    assert found["fresh"] == [152, [[105, 1], [115, 2], [125, 3], [135, 5], [145, 6], [152, 7]]]
    assert found["stale"] == [132, [[105, 1], [115, 2], [125, 3], [132, 5]]]
    assert found["later"] == [3725, [[135, 5], [145, 6], [155, 7]]]
    assert found["digits"] == [0, 1, 3]
    assert found["served"] == ["1", "0"], "a fleet becomes stale while no event comes"
    assert found["wires"] == [0, 2], "and so do the wires of the flow"
    assert found["lines"] == 1, "the line of the last hour is shown also after another event"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_fault_for_those_who_see_or_hear_it_otherwise(visit: Visitor, scheme: str) -> None:
    visitor = visit(color_scheme=scheme)
    for view in VIEWS:
        page = visitor.open(view)
        page.wait_for_function("() => document.querySelector('#view').textContent.trim().length > 20")
        assert visitor.accessibility_faults() == [], view
        visitor.screenshot(f"{view}_{scheme}")


KEPT_STREAM = """
window.EventSource = class extends EventSource {
  constructor(...given) {
    super(...given);
    window.stream = this;
  }
};"""
MANY_EVENTS = """async () => {
  const { stream } = window;
  const newest = new Promise((done) => stream.addEventListener("message", ({ data }) => done(data), { once: true }));
  const event = JSON.parse(await newest);
  const elementsAfter = (count) => {
    for (let left = count; left; left -= 1) {
      event.at += 1;
      stream.onmessage({ data: JSON.stringify(event) });
    }
    return document.querySelectorAll("*").length;
  };
  return [elementsAfter(20), elementsAfter(100)];
}"""


def test_a_page_that_stays_open_does_not_grow(visit: Visitor) -> None:
    visitor = visit()
    visitor.page.add_init_script(KEPT_STREAM)
    for view in ("now", "flow", "fleet"):
        before, after = visitor.open(view).evaluate(MANY_EVENTS)
        assert after <= before, view


def test_the_theme_follows_the_system_unless_chosen(visit: Visitor) -> None:
    visitor = visit(color_scheme="dark")
    page = visitor.open()
    background = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(background) == "rgb(14, 17, 21)"
    page.get_by_role("button", name="Theme: system default").click()
    page.get_by_role("button", name="Theme: dark").click()
    page.get_by_role("button", name="Theme: light").wait_for()
    assert page.evaluate(background) == "rgb(243, 244, 246)"
    page.reload()
    page.get_by_role("button", name="Theme: light").wait_for()
    assert page.evaluate(background) == "rgb(243, 244, 246)"


CUT = """(selector) => [...document.querySelectorAll(selector)]
  .filter((each) => each.scrollWidth > each.clientWidth).map((each) => each.textContent)"""
"""The elements that show less than their content."""


def test_dutch_fits_in_the_flow_and_in_the_table_of_the_charts(visit: Visitor) -> None:
    page = visit(locale="nl-NL").open()
    page.locator(".label", has_text="statuspagina :").wait_for()
    assert [text for text in page.evaluate(CUT, ".label") if ":" in text[3:]] == [], "ports"
    page.set_viewport_size({"width": 390, "height": 844})
    page.get_by_role("link", name="Grafieken").click()
    page.locator("summary").click()
    page.locator(".tall td").first.wait_for()
    assert page.evaluate(CUT, ".tall") == []


def test_it_is_usable_on_a_phone(visit: Visitor) -> None:
    visitor = visit(viewport=PHONE, has_touch=True, is_mobile=True)
    for view in VIEWS:
        page = visitor.open(view)
        page.wait_for_function("() => document.querySelector('#view').textContent.trim().length > 20")
        page.wait_for_function(f"() => document.querySelectorAll('{FILLED.get(view, 'body')}').length > 0")
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], view
        visitor.screenshot(f"{view}_phone")
        if view == "charts":
            drawn = "document.querySelector('.chart svg text').getBoundingClientRect().height"
            assert page.evaluate(drawn) > 10, "words that can be read"
    page = visitor.open("flow")
    node(page, "DSMR parser").first.tap()
    page.get_by_text("telegrams accepted").wait_for()
    menu = page.locator("#more")
    page.get_by_role("button", name="More").tap()
    page.get_by_role("link", name="Registers").focus()
    page.keyboard.press("Escape")
    assert not menu.is_visible()
    page.get_by_role("button", name="More").tap()
    page.get_by_role("link", name="Registers").tap()
    page.wait_for_selector("main[data-view=registers]")
    assert not menu.is_visible()


def test_what_is_wrong_with_a_request_is_seen_on_a_phone_without_scrolling_sideways(
    visit: Visitor, gateway: Served
) -> None:
    with ModbusClient(gateway.port) as client:
        wait_until(lambda: client.registers(1, 1)[0] & 1, "fresh readings")
        client.ask(read_request(101, 2))
        client.ask(read_request(3, 1))
    page = visit(viewport=PHONE, has_touch=True, is_mobile=True).open("clients")
    page.locator(".advice", has_text="Read power_net at address 100 instead of 101.").wait_for()
    # The rows are drawn again all the time, so all of them are read in one call.
    edges = page.evaluate(
        "[...document.querySelectorAll('.advice')].map((row) => row.getBoundingClientRect())"
        ".map((box) => [box.left, box.right])"
    )
    assert edges
    assert all(0 <= left < right <= PHONE["width"] for left, right in edges)
    page.get_by_text("FC03 unit 1, address 3, 1 register", exact=True).first.wait_for()


def test_the_keyboard_alone_is_enough(visit: Visitor) -> None:
    page = visit().open()
    page.wait_for_selector(".node")
    focused = "document.activeElement"
    page.keyboard.press("Tab")
    assert page.evaluate(f"{focused}.className") == "skip"
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate(f"{focused}.id") == "tab-flow":
            break
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("#tab-fleet[aria-current=page]")
    assert page.evaluate(f"{focused}.id") == "tab-fleet"
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector(".node")
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate(f"{focused}.getAttribute('data-node')"):
            break
    page.keyboard.press("Enter")
    page.locator(".drawer dl").wait_for()
    page.keyboard.press("Escape")
    assert page.evaluate(f"{focused}.getAttribute('aria-expanded')") == "false"
    # An update each second does not take the focus away.
    before = page.evaluate(f"{focused}.getAttribute('data-node')")
    page.evaluate(THREE_EVENTS)
    assert page.evaluate(f"{focused}.getAttribute('data-node')") == before


def test_it_speaks_dutch(visit: Visitor) -> None:
    page = visit(locale="nl-NL").open()
    page.get_by_role("link", name="Grafieken").wait_for()
    assert page.evaluate("document.documentElement.lang") == "nl"
    page.wait_for_selector('[aria-label*="geen lezer"]', state="attached")
    page.wait_for_selector('[aria-label^="statuspagina"][aria-label*=" kijker"]', state="attached")
    assert "(s)" not in page.locator(".flow").inner_text()
    page.get_by_role("button", name="English").click()
    page.get_by_role("link", name="Charts").wait_for()


def test_a_restart_with_the_page_open_shows_a_banner_and_heals(browser: Any, tmp_path: Path) -> None:
    gateway = Served(tmp_path / "first")
    visitor = Visit(browser, gateway.page_port)
    with running(gateway):
        page = visitor.open()
        page.locator("#pill", has_text="Simulated").wait_for()
        assert not page.locator("#banner").is_visible()
        gateway.end()
        page.get_by_text("No connection to the gateway").wait_for()
        assert page.locator("body.lost").count() == 1
        visitor.screenshot("lost")
        # A view that was not loaded before is shown as soon as the gateway is there again.
        page.get_by_role("link", name="Charts").click()
        page.wait_for_selector("#tab-flow[aria-current=page]")
    with running(Served(tmp_path / "second", page_port=gateway.page_port)):
        page.wait_for_selector("#banner", state="hidden")
        page.locator("#pill", has_text="Simulated").wait_for()
        page.wait_for_selector("main[data-view=charts]")
    visitor.context.close()
    # Requests without a response are all that went wrong: no error of a script, and no response with an error.
    assert [error for error in visitor.errors if not error.startswith(NO_RESPONSE)] == []


def test_a_configuration_that_cannot_be_used_is_explained_until_it_is_fixed(browser: Any, tmp_path: Path) -> None:
    page_port = free_port()
    settings = {"status_page": {"listen": f"127.0.0.1:{page_port}"}}
    gateway = Gateway(tmp_path, {"simulat": True}, settings=settings, waits=False)
    config = tmp_path / "gateway.yaml"
    with running(gateway):
        gateway.wait_for_port(page_port)
        visitor = Visit(browser, page_port)
        page = visitor.page
        page.goto(f"{visitor.origin}/#flow")
        page.locator("#problems summary", has_text="unknown key. Did you mean simulate?").wait_for()
        page.get_by_text("Nothing is served.").wait_for()
        wrong = page.locator(".fault li.wrong")
        assert (wrong.evaluate("(line) => line.value"), wrong.inner_text().split()) == (2, ["simulat:", "true"])
        assert wrong.locator("mark").inner_text() == "simulat"
        assert visitor.accessibility_faults() == []
        visitor.screenshot("faults")
        page.get_by_role("button", name="Nederlands").click()
        page.locator("#problems summary b", has_text="onbekende sleutel").wait_for()
        assert page.locator("#problems p[lang=en]").inner_text() == "unknown key. Did you mean simulate?"
        page.get_by_role("button", name="English").click()
        config.write_text(config.read_text().replace("simulat:", "simulate:"))
        page.locator("#pill", has_text="Simulated").wait_for()
        assert not page.locator("#problems").is_visible()
        visitor.context.close()
        wait_until(lambda: "connect to" in gateway.log, "the gateway to serve")


def test_an_address_that_is_not_encoded_shows_the_view(visit: Visitor) -> None:
    page = visit().open("now/50%")
    page.wait_for_selector(".hero")


def test_an_element_in_the_place_of_a_styled_one_has_no_style(visit: Visitor) -> None:
    page = visit().open("now")
    style = page.evaluate(
        """async () => {
          const { h, render } = await import("./static/dom.js");
          const parent = document.createElement("div");
          render(parent, h("span", { style: { left: "20%" } }));
          render(parent, h("span"));
          return parent.firstChild.getAttribute("style");
        }"""
    )
    assert not style

"""`meters_file:`, a table with a meter in each row."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import Config, check_config, read_document
from gateway.config.columns import Kind, known_columns
from gateway.config.meter import MeterKeys
from gateway.config.modbus import ModbusConfig, UnitKeys
from gateway.files.table import MAX_TABLE_BYTES
from gateway.maps.load import MapSource
from tests.config.faults import faults_in, load

ROOT = "meters_file: meters.csv\n"


def read(folder: Path, table: str, root: str = ROOT) -> Config:
    (folder / "meters.csv").write_text(table)
    return load(folder, root)


def problems(folder: Path, table: str, root: str = ROOT) -> list[str]:
    (folder / "meters.csv").write_text(table)
    return [each.replace(str(folder / "meters.csv"), "meters.csv") for each in faults_in(folder, root)]


def test_rows_are_meters_with_their_units(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        "name;source;host;port;dsmr_version;listen;unit;map;on_stale;settings.ct_ratio\r\n"
        "flat1;ws://192.0.2.1/ws;;;5,0;:5020;1;dsmr;;\r\n"
        "flat2;;192.0.2.2;2001.0;4;5020;2.0;sigenergy-tpx-ch;silent;40,0\r\n"
        "flat3;;192.0.2.3;2001;;:5021;;;;\r\n",
    )
    assert list(config.all_meters()) == ["flat1", "flat2", "flat3"]
    assert config.meters["flat1"].dsmr_version == "5"
    assert (config.meters["flat2"].host, config.meters["flat2"].port) == ("192.0.2.2", "2001")
    first, second = config.modbus
    assert [str(first), str(second)] == [":5020", ":5021"]
    assert {unit_id: unit.meter for unit_id, unit in first.units.items()} == {1: "flat1", 2: "flat2"}
    assert (first.units[2].map, first.units[2].on_stale, first.units[2].settings) == (
        "sigenergy-tpx-ch",
        "silent",
        {"ct_ratio": 40},
    )
    assert {unit_id: unit.meter for unit_id, unit in second.units.items()} == {1: "flat3"}


def test_rows_and_the_rest_of_the_configuration_are_one(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        "name,host,port,unit\nflat1,192.0.2.1,2001,1\nflat2,192.0.2.2,2001,2\n",
        ROOT + "meters: {hall: {port: /dev/p1}}\n"
        "modbus: [{listen: ':5020', max_clients: 5, units: {100: {meter: hall}, other: 100}}]\n"
        "passthrough: [{meter: flat2, listen: ':2002'}]\n",
    )
    assert list(config.all_meters()) == ["hall", "flat1", "flat2"]
    (server,) = config.modbus
    assert (server.max_clients, server.other, sorted(server.units)) == (5, 100, [1, 2, 100])


def test_a_row_with_meter_is_one_more_unit_of_it(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        "name,meter,simulate,unit,map,stale_after\nflat1,,WAAR,1,,8\n,flat1,,101,abb-b23,30s\n",
    )
    assert list(config.meters) == ["flat1"]
    assert config.meters["flat1"].stale_after == 8
    (server,) = config.modbus
    assert str(server) == ":502"
    assert [(unit.meter, unit.map, unit.stale_after) for unit in server.units.values()] == [
        ("flat1", "dsmr", None),
        ("flat1", "abb-b23", 30),
    ]


def test_keys_of_a_server_and_nested_keys_are_columns(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        "name,host,port,decryption.key_file,listen,unit,transport,allow,max_clients,tls.certificate,tls.key\n"
        'flat1,192.0.2.1,2001,keys/1,:5020,1,,"192.0.2.0/24, 198.51.100.7",4,a.pem,a.key\n'
        "flat2,192.0.2.2,2001,keys/2,:5020,2,,,4,,\n"
        "flat3,192.0.2.3,2001,keys/3,:5020,1,udp,192.0.2.0/24,,,\n",
    )
    tcp, udp = config.modbus
    assert [str(network) for network in tcp.allow] == ["192.0.2.0/24", "198.51.100.7/32"]
    assert tcp.max_clients == 4
    assert tcp.tls
    assert str(tcp.tls.key) == "a.key"
    assert (udp.transport, list(udp.units)) == ("udp", [1])
    keys = config.meters["flat2"].decryption
    assert keys
    assert str(keys.key_file) == "keys/2"


def test_each_key_of_a_meter_a_unit_and_a_server_is_a_column() -> None:
    columns = known_columns()
    for model in (MeterKeys, UnitKeys, ModbusConfig):
        for key in model.model_fields.keys() - {"settings", "units", "other", "serial", "listen"}:
            assert any(name == key or name.startswith(f"{key}.") for name in columns), key
    assert columns["poll"].kind is columns["baudrate"].kind is columns["bytesize"].kind is Kind.NUMBER
    assert columns["port"].kind is columns["parity"].kind is columns["on_stale"].kind is Kind.TEXT
    assert columns["simulate"].kind is Kind.SWITCH
    assert columns["allow"].kind is Kind.LIST


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (
            "name,sorce,dsmr_verison,key_file,telephone\n",
            [
                "meters.csv:1:6: unknown column 'sorce'. Did you mean source?",
                "meters.csv:1:12: unknown column 'dsmr_verison'. Did you mean dsmr_version?",
                "meters.csv:1:25: unknown column 'key_file'. Did you mean decryption.key_file?",
                "meters.csv:1:34: unknown column 'telephone'. A column of your own begins with #: # telephone",
            ],
        ),
        ("source,unit\nws://a/ws,1\n", ["meters.csv:1:1: there is no column name. Add it, with the name of each"]),
        ("name,unit\n", ["meters.csv: there is no meter in this file. Write a row for each meter, or remove"]),
        ("name,host,port\na,192.0.2.1,2001\n", ["meters.csv:1:1: no row has a unit id: no client could read"]),
        (
            "name,host,port,unit\n,192.0.2.1,1,1\nb,192.0.2.2,1,x\nc,192.0.2.3,1,256\nd,192.0.2.4,1,-1\n",
            [
                "meters.csv:2:2: the row has no name. Write the name of the meter, or remove the row",
                "meters.csv:3:15: a unit id is a number from 0 to 255 (found 'x'). Write it like 7",
                "meters.csv:4:15: a unit id is a number from 0 to 255 (found '256')",
                "meters.csv:5:15: a unit id is a number from 0 to 255 (found '-1')",
            ],
        ),
        (
            (
                "name,host,port,dsmr_version,baudrate,unit,map,on_stale\n"
                "a,192.0.2.1,2001,7,,1,dsrm,never\nb,,/dev/b,5,fast,2,,\n"
            ),
            [
                "meters.csv:2:18: meters.a.dsmr_version: '7' is not a DSMR version",
                "meters.csv:2:23: modbus[0].units.1.map: there is no register map 'dsrm'. Did you mean dsmr?",
                "meters.csv:2:28: modbus[0].units.1.on_stale: 'never' is not one of exception, silent, absent, hold",
                "meters.csv:3:13: meters.b.baudrate: a whole number is expected (found 'fast')",
            ],
        ),
        (
            "name,host,port,unit\na,192.0.2.1,99999,1\n",
            ["meters.csv:2:1: meters.a: with host, port is a TCP port (found '99999'). Write a number from 1"],
        ),
        (
            (
                "name,host,port,listen,unit\na,192.0.2.1,1,:5020,1\nb,192.0.2.2,1,5020,1\na,192.0.2.3,1,:5020,3\n"
                "c,192.0.2.1,1,:5020,4\nd,192.0.2.4,1,:5021,1\n"
            ),
            [
                "meters.csv:3:20: unit 1 on :5020 is given twice, first on line 2. Choose another unit id",
                "meters.csv:4:1: the name 'a' is given twice, first on line 2. Choose another name",
                "meters.csv:5:3: the source of c is given twice, first on line 2. Each meter has a source of its own",
            ],
        ),
        (
            "name,host,port,listen,unit,max_clients\na,192.0.2.1,1,:5020,1,4\nb,192.0.2.2,1,:5020,2,5\n",
            ["meters.csv:3:23: max_clients of this server is another one at meters.csv:2. Write the same in all"],
        ),
        (
            "name,meter,host,port,unit\na,,192.0.2.1,1,1\nb,a,192.0.2.2,1,2\n,a,,,\n,c,,,5\n",
            [
                "meters.csv:3:3: a row has a name, or the meter whose next unit it is. Remove one of them",
                "meters.csv:4:2: the row has neither a unit id nor an address to listen on. Write the unit id",
            ],
        ),
        (
            "name,meter,host,port,unit\na,,192.0.2.1,1,1\n,b,,,5\n",
            ["meters.csv:3:2: modbus[0].units.5.meter: there is no meter 'b'. There are: a"],
        ),
        (
            'name,host,port,unit\n"4,53E+16",192.0.2.1,1,1\n',
            ["meters.csv:2:1: 4,53E+16 is a number without its last digits, shortened by a spreadsheet. Make"],
        ),
    ],
)
def test_a_problem_has_its_line_and_its_column(tmp_path: Path, table: str, told: list[str]) -> None:
    found = problems(tmp_path, table)
    assert len(found) == len(told), found
    assert all(fault.startswith(start) for fault, start in zip(found, told, strict=True)), found


def test_rows_that_repeat_the_configuration_are_reported_with_its_line(tmp_path: Path) -> None:
    root = (
        ROOT + "meters:\n  a: {host: 192.0.2.1, port: 2001}\nmodbus:\n  - listen: :5020\n    units: {1: {meter: a}}\n"
    )
    file = tmp_path / "gateway.yaml"
    assert problems(tmp_path, "name,host,port,unit\na,192.0.2.9,2001,2\nb,192.0.2.1,2001,1\n", root) == [
        f"meters.csv:2:1: the name 'a' is given twice, first at {file}:3. Choose another name",
        f"meters.csv:3:3: the source of b is given twice, first at {file}:3. Each meter has a source of its own",
        (
            f"meters.csv:3:18: unit 1 on :5020 is given twice, first at {file}:6. Choose another unit id, or listen on"
            " another port"
        ),
    ]


def test_a_row_without_listen_needs_one_server(tmp_path: Path) -> None:
    root = ROOT + "modbus: [{listen: ':5020'}, {listen: ':5021'}]\n"
    (problem,) = problems(tmp_path, "name,host,port,listen,unit\na,192.0.2.1,1,,1\n", root)
    assert problem.startswith("meters.csv:2:16: there are 2 servers, and none is chosen. Write the address of one")


def test_a_table_of_meters_needs_no_single_meter_beside_it(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, "name,host,port,unit\na,192.0.2.1,1,1\n", ROOT + "meter: {port: /dev/a}\n")
    assert problem.startswith("2:1: meter: meter: and meters: are both given")


def test_a_table_has_to_be_a_file_in_the_folder_of_the_configuration(tmp_path: Path) -> None:
    folder, other = tmp_path / "etc", tmp_path / "other"
    folder.mkdir()
    other.mkdir()
    (other / "meters.csv").write_text("name,host,port,unit\na,192.0.2.1,1,1\n")
    (folder / "link.csv").symlink_to(other / "meters.csv")
    for name in ("../other/meters.csv", str(other / "meters.csv"), "link.csv"):
        (problem,) = faults_in(folder, f"meters_file: {name}")
        assert "is outside of the folder of the configuration. Copy the file into that folder" in problem
    (folder / "folder.csv").mkdir()
    (folder / "large.csv").write_text("#" * (MAX_TABLE_BYTES + 1))
    for name, what in (("no.csv", "no such file"), ("folder.csv", "this is a folder"), ("large.csv", "larger than")):
        (problem,) = faults_in(folder, f"meters_file: {name}")
        assert problem.startswith(f"1:1: meters_file: {folder / name}: {what}")
    # A configuration that is a link may have its table beside the link, or beside the file.
    (other / "gateway.yaml").write_text("meters_file: meters.csv\n")
    (folder / "gateway.yaml").unlink()
    (folder / "gateway.yaml").symlink_to(other / "gateway.yaml")
    (folder / "meters.csv").symlink_to(other / "meters.csv")
    assert check_config(folder / "gateway.yaml", {}).problems == []


def test_a_variable_can_name_the_table(tmp_path: Path) -> None:
    (tmp_path / "meters.csv").write_text("name,host,port,unit\na,192.0.2.1,1,1\n")
    checked = check_config(tmp_path / "gateway.yaml", {"DSMR_GATEWAY_METERS_FILE": "meters.csv"})
    assert checked.problems == []
    assert list(checked.config.meters) == ["a"]


def test_the_place_of_a_row_is_known_after_the_check_too(tmp_path: Path) -> None:
    (tmp_path / "meters.csv").write_text("name,source,token_file,unit\na,push,a.token,1\n")
    (tmp_path / "gateway.yaml").write_text(ROOT + "push: {}\n")
    place = read_document(tmp_path / "gateway.yaml", {}).place(("meters", "a", "token_file"))
    assert str(place) == f"{tmp_path / 'meters.csv'}:2:8: meters.a.token_file: "


def test_a_map_is_read_once_for_all_rows_and_compiled_once_for_each_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    class Counted(MapSource):
        def __init__(self, path: Path) -> None:
            made.append(path.stem)
            super().__init__(path)

    monkeypatch.setattr("gateway.config.maps.MapSource", Counted)
    rows = [f"m{n},192.0.2.{n % 250},{2000 + n},:{5020 + n // 200},{1 + n % 200},{n % 2 + 1}" for n in range(2000)]
    (tmp_path / "meters.csv").write_text("name,host,port,listen,unit,settings.ct_ratio\n" + "\n".join(rows))
    (tmp_path / "gateway.yaml").write_text(ROOT + "defaults: {unit: {map: sigenergy-tpx-ch}}\n")
    checked = check_config(tmp_path / "gateway.yaml", {})
    assert checked.problems == []
    assert len(checked.config.meters) == 2000
    assert made == ["sigenergy-tpx-ch"]
    assert len(checked.maps) == 1 + 200

"""Reads ser2net.yaml, of ser2net 4.

Its files repeat keys and use aliases inside texts, so they are read as a tree of nodes and not as a document.
"""

from __future__ import annotations

import re

import yaml

from gateway.files.document import FileError
from gateway.files.yaml_file import MAX_DEPTH, MAX_NODES
from gateway.problems.problem import MAX_PROBLEMS, Place, Problem, problem_of
from gateway.problems.quoting import cut, quoted
from gateway.ser2net.connection import (
    MAX_CONNECTIONS,
    MODEM_LINES,
    OFF,
    TELNET_DROPPED,
    XONXOFF,
    Ser2netConnection,
    whole_number,
)

MAX_EXPANDED_CHARACTERS = 2_000_000
"""Largest number of characters that the texts of a file have after their aliases are replaced."""
_DEFINITION = re.compile(r"define\s*:\s*&(\w+)\s+(\S.*)")
_SEPARATOR = re.compile(r"[(),]")
_ALIAS = re.compile(r"\*(\w+)")
_LAYER = re.compile(r"(?P<name>[A-Za-z0-9_-]+)(?:\((?P<options>[^()]*)\))?")
_SILENT_SERIAL = {"-xonxoff", "-rtscts", "nobreak", "-nobreak"}
_SILENT_LAYERS = {"tcp", "keepopen"}
_FAMILIES = {"ipv4", "ipv6"}
_OFF = ("false", "no", "off", "0")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_YES = ("true", "yes", "on", "1")


class _Aliases:
    """The aliases of a file, and the number of characters that may still be read."""

    def __init__(self, text: str, file: str) -> None:
        # ser2net accepts `define: &name value` and the name inside a text, which YAML itself does not.
        found = filter(None, map(_DEFINITION.match, text.splitlines()))
        self._values = {match[1]: match[2].rstrip() for match in found}
        self._file, self._left = file, MAX_EXPANDED_CHARACTERS

    def replaced_in(self, text: str) -> str:
        """Return the text with its aliases replaced.

        Raises:
            FileError: all texts together have become too long.

        """
        self.count(len(text) + 1)
        return _ALIAS.sub(self._value_of, text)

    def count(self, characters: int) -> None:
        """Count characters that are read, and raise FileError if they are too many."""
        self._left -= characters
        if self._left < 0:
            what = f"with its aliases replaced, the file has more than {MAX_EXPANDED_CHARACTERS} characters"
            raise FileError([problem_of("file-too-large", what, "Use fewer aliases", place=Place(self._file))])

    def _value_of(self, match: re.Match[str]) -> str:
        value = self._values.get(match[1], match[0])
        self.count(len(value))
        return value


def _check_size(text: str, file: str) -> None:
    """Raise FileError for a text with too many levels or nodes: the parser is recursive."""
    depth = nodes = 0
    for event in yaml.parse(text, _LOADER):
        nodes += isinstance(event, yaml.NodeEvent)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH or nodes > MAX_NODES:
            place = Place(file, event.start_mark.line + 1 if event.start_mark else 1)
            what = f"more than {MAX_DEPTH} levels, or more than {MAX_NODES} keys and values"
            raise FileError([problem_of("too-many-values", what, "Split the file, or shorten it", place=place)])


def read_yaml_format(text: str, file: str) -> tuple[list[Ser2netConnection], list[Problem]]:
    """Return the ports of a ser2net.yaml, and its problems."""
    aliases = _Aliases(text, file)
    defaults: dict[str, str] = {}
    connections: list[Ser2netConnection] = []
    problems: list[Problem] = []
    try:
        _check_size(text, file)
        roots = list(yaml.compose_all(text, _LOADER))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file, 1, 1)
        what = f"not valid YAML: {cut(str(getattr(error, 'problem', None) or error))}"
        return [], [problem_of("yaml-syntax", what, place=place, short="not valid YAML")]
    for root in roots:
        if not isinstance(root, yaml.MappingNode):
            continue
        for key, node in root.value:
            if key.value == "default":
                given = _scalars(node, aliases)
                defaults[given.get("name", "")] = given.get("value", "")
            elif key.value == "connection" and len(connections) >= MAX_CONNECTIONS:
                place = Place(file, key.start_mark.line + 1, key.start_mark.column + 1)
                return [], [*problems, _invalid(f"more than {MAX_CONNECTIONS} connections").at(place)]
            elif key.value == "connection" and len(problems) <= MAX_PROBLEMS:
                connection = Ser2netConnection(key.start_mark.line + 1, "connection")
                problem = _take(connection, node, aliases, defaults)
                if problem:
                    mark = (node.value[0][0] if isinstance(node, yaml.MappingNode) and node.value else node).start_mark
                    problems.append(problem.at(Place(file, mark.line + 1, mark.column + 1, "connection")))
                else:
                    connections.append(connection)
    return connections, problems


def _scalars(node: yaml.Node, aliases: _Aliases) -> dict[str, str]:
    """Return the texts by key, with the aliases in them replaced."""
    if not isinstance(node, yaml.MappingNode):
        return {}
    return {
        str(key.value): aliases.replaced_in(str(value.value))
        for key, value in node.value
        if isinstance(key, yaml.ScalarNode) and isinstance(value, yaml.ScalarNode)
    }


def _take(
    connection: Ser2netConnection, node: yaml.Node, aliases: _Aliases, defaults: dict[str, str]
) -> Problem | None:
    """Set the connection from its node; return its problem, or None."""
    given = _scalars(node, aliases)
    accepter, connector = given.get("accepter", ""), given.get("connector", "")
    connection.source = f"accepter: {accepter}, connector: {connector}"
    problem = _take_accepter(connection, accepter) or _take_connector(connection, connector)
    if problem:
        return problem
    connection.is_on = given.get("enable", "on").lower() in _YES
    if not connection.is_on:
        connection.note(OFF)
    if not connection.take_timeout(given.get("timeout", "0")):
        return _invalid(f"{quoted(given['timeout'])} is not a number of seconds")
    aliases.count(len(defaults))
    options = dict(defaults)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == "options":
                options |= _scalars(value, aliases)
    for key, value in options.items():
        _take_option(connection, key, value)
    return None


def _layers(gensio: str) -> list[str]:
    """Split a gensio, such as `telnet,tcp,2001`, at its commas, except those in parentheses."""
    layers, begin, depth = list[str](), 0, 0
    for match in _SEPARATOR.finditer(gensio):
        depth += (match[0] == "(") - (match[0] == ")")
        if match[0] == "," and depth <= 0:
            layers.append(gensio[begin : match.start()].strip())
            begin = match.end()
    return [*layers, gensio[begin:].strip()]


def _invalid(what: str) -> Problem:
    return problem_of("invalid-ser2net-connection", what, "See ser2net.yaml(5)")


def _take_accepter(connection: Ser2netConnection, accepter: str) -> Problem | None:
    *layers, port = _layers(accepter)
    number = whole_number(port)
    if number is None or not 0 < number < 65536:
        return _invalid(f"accepter {quoted(accepter)} does not end in a TCP port")
    connection.port = number
    for layer in layers:
        match = _LAYER.fullmatch(layer)
        name = match["name"].lower() if match else ""
        if match and name == "telnet":
            connection.take_telnet(has_settings=_has_rfc2217(match["options"] or ""))
        elif match and name == "ssl":
            _take_tls(connection, match["options"] or "")
        elif name not in _SILENT_LAYERS:
            connection.host = layer
    return None


def _take_tls(connection: Ser2netConnection, options: str) -> None:
    given = {key.strip().lower(): value for key, _, value in (option.partition("=") for option in options.split(","))}
    tls = {"certificate": given.get("cert", "server.pem"), "key": given.get("key", "server.key")}
    if "ca" in given and "clientauth" in given:
        tls["client_ca"] = given["ca"]
    connection.passthrough["tls"] = tls


def _has_rfc2217(options: str) -> bool:
    """Return whether the options of a telnet layer, such as `rfc2217` or `rfc2217=true`, switch RFC 2217 on."""
    given = {key.strip().lower(): value for key, _, value in (option.partition("=") for option in options.split(","))}
    return "rfc2217" in given and given["rfc2217"].strip().lower() not in _OFF


def _take_remote(connection: Ser2netConnection, layers: list[str]) -> bool:
    """Set the meter from a connector such as `telnet(rfc2217),tcp,HOST,PORT`; return False for another one."""
    match = _LAYER.fullmatch(layers[0])
    telnet = match if match and match["name"].lower() == "telnet" else None
    rest = layers[1:] if telnet else layers
    if not rest or rest[0].partition("(")[0].lower() != "tcp":
        return False
    *hosts, port = [layer for layer in rest[1:] if layer.lower() not in _FAMILIES] or [""]
    number = whole_number(port)
    if number is None or not 0 < number < 65536 or len(hosts) > 1:
        return False
    host = hosts[0] if hosts else "127.0.0.1"
    connection.device = place = f"[{host}]:{number}" if ":" in host else f"{host}:{number}"
    if telnet and _has_rfc2217(telnet["options"] or ""):
        connection.remote = {"source": f"rfc2217://{place}"}
        return True
    connection.remote = {"host": host, "port": number}
    if telnet:
        connection.note(TELNET_DROPPED)
    return True


def _take_connector(connection: Ser2netConnection, connector: str) -> Problem | None:
    layers = [layer for layer in _layers(connector) if not layer.startswith("keepopen")]
    if layers and _take_remote(connection, layers):
        return None
    if len(layers) < 2 or layers[0].partition("(")[0] not in ("serialdev", "sdev"):
        return _invalid(f"connector {quoted(connector)} is not serialdev,DEVICE,SPEED or tcp,HOST,PORT")
    connection.device = layers[1]
    for option in layers[2:]:
        if option.lower() == "xonxoff":
            connection.note(XONXOFF)
        elif option.lower() == "local":
            connection.note(MODEM_LINES)
        elif not (option.lower() in _SILENT_SERIAL or connection.take_speed(option)):
            connection.note(f"{option} is dropped: the gateway has no such option")
    return None


def _take_option(connection: Ser2netConnection, key: str, value: str) -> None:
    if key == "max-connections" and connection.take_max_connections(value):
        return
    if key == "kickolduser":
        if value.lower() in _YES:
            connection.passthrough["kick_oldest"] = True
    elif key == "mdns":
        if value.lower() in _YES:
            connection.passthrough["announce"] = True
    elif key == "remaddr":
        connection.note(f"remaddr {value} is dropped: write the networks under allow: instead")
    else:
        connection.note(f"{key}: {value} is dropped: the gateway has no such option")

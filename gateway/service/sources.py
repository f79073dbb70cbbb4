"""The meters of a configuration, each with the nodes that read it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gateway.config import Config
from gateway.config.meter import AUTO, MeterConfig
from gateway.lines.line import Line
from gateway.lines.serial import SerialLine
from gateway.nodes.dsmr_parser import GAP_FAST_S, GAP_SLOW_S, DsmrParser
from gateway.nodes.p1_port import P1Port
from gateway.protocol.p1.identifiers import identifiers_of
from gateway.protocol.p1.meter import MeterState
from gateway.protocol.p1.variants import FAST_LINE, VARIANTS, SerialSettings
from gateway.runtime.flow import Node
from gateway.service.node_settings import p1_connections, simulated_meter_node

if TYPE_CHECKING:
    from gateway.nodes.decryption import Decryption
    from gateway.nodes.mqtt_receiver import MqttMeter
    from gateway.nodes.passthrough import Passthrough
    from gateway.nodes.push_listener import PushListener
    from gateway.nodes.simulated_meter import SimulatedMeterNode


class Source(NamedTuple):
    """A meter, and the nodes that read it."""

    meter: MeterState
    node: P1Port | SimulatedMeterNode | MqttMeter
    parser: DsmrParser
    decryption: Decryption | None
    """The node between `node` and `parser`, for a meter that encrypts its telegrams."""
    line: Line | None
    """The first of its lines; None for a meter whose telegrams come over brokers."""
    title: str
    """Label of the node that reads it."""
    usual_settings: SerialSettings
    """Speed and form of a byte of a port with its version."""
    over_mqtt: MqttMeter | None = None
    """The node that reads it, if its telegrams come over the brokers of `mqtt:`."""

    @property
    def nodes(self) -> list[Node]:
        """Return the nodes in the order in which they start: a telegram may come as soon as the line is open."""
        return [each for each in (self.decryption, self.node, self.parser) if each]

    def serial_settings(self) -> SerialSettings:
        """Return the speed and the form of a byte of its port; if it has none, those of the meter's version."""
        newest = self.meter.newest
        of_version = newest.variant.line if newest else self.usual_settings
        return (self.node.serial_settings if isinstance(self.node, P1Port) else None) or of_version

    def connect(self) -> None:
        """Connect the nodes; whoever else gets the bytes is connected before, and gets them first."""
        if self.decryption:
            self.node.line_bytes.connect(self.decryption, self.decryption)
            self.decryption.line_bytes.connect(self.parser, self.parser)
        else:
            self.node.line_bytes.connect(self.parser, self.parser)
        if self.over_mqtt:
            self.over_mqtt.ends.connect(self.parser, self.parser.end_telegram)


def make_source(name: str, config: MeterConfig, folder: Path, state: Path | None) -> Source:
    """Make a meter with the nodes that read it.

    Args:
        name: the meter's name.
        config: its part of the configuration.
        folder: the folder where relative paths begin.
        state: the folder for what is remembered over a restart; None if there is none.

    """
    variant = None if config.dsmr_version == AUTO else VARIANTS[config.dsmr_version]
    meter = MeterState(name, variant, config.stale_after, is_simulated=config.simulate)
    meter.identifiers = identifiers_of(None if config.simulate else config.equipment_identifier)
    lines = p1_connections(config, folder)
    usual = variant.line if variant else FAST_LINE
    if config.is_from_brokers and not config.simulate:
        return _from_brokers(meter, usual)
    is_slow = all(isinstance(line, SerialLine) and line.is_slow for _, line in lines)
    parser = DsmrParser(f"{name}/parser", meter, GAP_SLOW_S if is_slow else GAP_FAST_S)
    if config.simulate:
        simulated = simulated_meter_node(name, config, meter)
        return Source(meter, simulated, parser, None, lines[0][1] if lines else None, simulated.kind, usual)
    decryption = None
    if config.decryption:
        from gateway.nodes.decryption import Decryption, counters_file  # noqa: PLC0415 - only where there is one

        keys = config.decryption
        authentication_key_file = keys.authentication_key_file and folder / keys.authentication_key_file
        counters = state and counters_file(state, name)
        decryption = Decryption(f"{name}/decryption", folder / keys.key_file, authentication_key_file, counters)
    port = P1Port(f"{name}/port", meter, lines, config.watchdog, is_decrypted=decryption is not None)
    title = config.parsed_source.kind.title if config.parsed_source else port.kind
    return Source(meter, port, parser, decryption, lines[0][1], title, usual)


def _from_brokers(meter: MeterState, usual: SerialSettings) -> Source:
    """Make a meter whose telegrams come over brokers; the receiver of their messages connects it."""
    from gateway.nodes.mqtt_receiver import MqttMeter  # noqa: PLC0415 - only where there is one

    node = MqttMeter(f"{meter.name}/mqtt", meter)
    parser = DsmrParser(f"{meter.name}/parser", meter, GAP_FAST_S)
    return Source(meter, node, parser, None, None, node.kind, usual, node)


def connect_passthrough(passthrough: Passthrough, source: Source) -> None:
    """Let a passthrough send the telegrams of a meter: as they came, or those that the gateway has decrypted."""
    from gateway.nodes.passthrough import Mode  # noqa: PLC0415 - only where there is one

    settings, decryption = passthrough.settings, source.decryption
    origin = decryption if decryption and settings.is_decrypted else source.node
    # Also in telegrams mode: a passthrough finds encrypted telegrams in the bytes, which no parser can read.
    origin.line_bytes.connect(passthrough, passthrough)
    if settings.mode is Mode.TELEGRAMS and (settings.is_decrypted or not decryption):
        source.parser.telegrams.connect(passthrough, passthrough.take)


def connect_posts(listener: PushListener, config: Config, sources: Mapping[str, Source], folder: Path) -> None:
    """Let a listener pass on what is posted with the token of a meter; relative paths begin at `folder`."""
    from gateway.lines.push import PushLine  # noqa: PLC0415 - only where there is one
    from gateway.nodes.push_listener import Recipient  # noqa: PLC0415

    for name, meter in config.all_meters().items():
        line = sources[name].line
        if meter.token_file and isinstance(line, PushLine):
            listener.posts.connect(sources[name].node, Recipient(name, folder / meter.token_file, line.post))

"""Run with Home Assistant's own libraries: a whole Home Assistant with its MQTT integration, until it is ended.

    python home_assistant_mqtt.py FOLDER PORT

It connects to the broker on PORT of this machine. It prints as lines of JSON each state of a sensor, with its entity id
and attributes, and each warning or error that is logged. It stands alone: nothing of the gateway or its tests is
loaded.
"""

import asyncio
import json
import logging
import sys
from types import MappingProxyType

from home_assistant_whole import start
from homeassistant.config_entries import ConfigEntry
from homeassistant.const import EVENT_STATE_CHANGED


class Printed(logging.Handler):
    """Prints the texts of warnings and errors."""

    def emit(self, record):
        show(logged=f"{record.name}: {record.getMessage()}")


def show(**values):
    """Print one line, at once: other threads log."""
    sys.stdout.write(json.dumps(values, default=str) + "\n")


def show_state(event):
    """Print the state of a sensor that has changed."""
    state = event.data["new_state"]
    if state and state.domain == "sensor":
        show(entity=state.entity_id, state=state.state, attributes=dict(state.attributes))


async def main(folder, port):
    logging.getLogger().addHandler(Printed(logging.WARNING))
    hass = await start(folder)
    hass.config.components |= {"http", "file_upload"}  # only its dialogs need them
    hass.bus.async_listen(EVENT_STATE_CHANGED, show_state)
    entry = ConfigEntry(
        data={"broker": "127.0.0.1", "port": port, "discovery": True},
        disabled_by=None,
        discovery_keys=MappingProxyType({}),
        domain="mqtt",
        minor_version=2,
        options={},
        source="user",
        subentries_data=None,
        title="mosquitto",
        unique_id=None,
        version=1,
    )
    await hass.config_entries.async_add(entry)
    show(ready=str(entry.state))
    await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))

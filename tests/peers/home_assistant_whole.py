"""Run with Home Assistant's own libraries: a whole Home Assistant of one configuration, and what its states are.

    python home_assistant_whole.py FOLDER COUNT

FOLDER holds configuration.yaml. When COUNT sensors have a state, it prints as JSON: entity id, state and attributes of
each sensor, and the warnings and errors that were logged. It stands alone: nothing of the gateway or its tests is
loaded.
"""

import asyncio
import json
import logging
import sys

from homeassistant import bootstrap, config, core, loader
from homeassistant.config_entries import ConfigEntries
from homeassistant.setup import async_setup_component

LOOK_EVERY_S = 0.5


class Kept(logging.Handler):
    """Keeps the texts of warnings and errors."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.texts = []

    def emit(self, record):
        self.texts.append(f"{record.name}: {record.getMessage()}")


async def start(folder):
    """Return a running Home Assistant with the integrations of the configuration, without a frontend."""
    hass = core.HomeAssistant(folder)
    hass.config.skip_pip = True
    loader.async_setup(hass)
    settings = await config.async_hass_config_yaml(hass)
    hass.config_entries = ConfigEntries(hass, settings)
    await bootstrap.async_load_base_functionality(hass)
    for domain in ("homeassistant", *(key for key in settings if key != "homeassistant")):
        if not await async_setup_component(hass, domain, settings):
            raise SystemExit(f"{domain} cannot be set up")
    await hass.async_start()
    return hass


async def sensors(hass, count):
    """Return the states of the sensors, once `count` of them have one."""
    while True:
        settled = [each for each in hass.states.async_all("sensor") if each.state != "unknown"]
        if len(settled) >= count:
            return settled
        await asyncio.sleep(LOOK_EVERY_S)


async def main(folder, count):
    kept = Kept()
    logging.getLogger().addHandler(kept)
    hass = await start(folder)
    try:
        settled = await sensors(hass, count)
        states = {each.entity_id: {"state": each.state, **each.attributes} for each in settled}
        entries = hass.data["entity_registry"].entities if "entity_registry" in hass.data else {}
        ids = sorted(entry.unique_id for entry in entries.values())
    finally:
        await hass.async_stop(force=True)
    print(json.dumps({"states": states, "unique_ids": ids, "logged": kept.texts}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))

"""The work of the commands that do not run the gateway: `check`, `probe`, `read` and `report`."""

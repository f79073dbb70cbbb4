"""The service around the flow: wiring, reload, systemd and the page of a broken configuration."""

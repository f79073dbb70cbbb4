"""What runs a gateway: wiring, reload, systemd and the page of a broken configuration."""

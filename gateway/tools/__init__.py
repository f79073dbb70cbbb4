"""What the command line does beside running: check, probe and read."""

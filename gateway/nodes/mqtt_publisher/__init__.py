"""MQTT publishers: what goes out to MQTT brokers, telegrams and readings."""

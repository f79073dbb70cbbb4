"""Telegrams of many meters over MQTT: names, envelopes, order and proofs of age. Pure: moments are passed in."""

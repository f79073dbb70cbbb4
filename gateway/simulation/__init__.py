"""Simulated meters: a household, its meters, and the stream of their telegrams."""

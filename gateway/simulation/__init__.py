"""Simulated meters: a household, its meters and the way their telegrams come."""

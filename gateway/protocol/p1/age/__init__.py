"""The age of readings by the meter's own clock; `timeline` is the way in and explains the idea."""

"""Attacks and mistakes that an operator must not have to fear, one file for each kind."""

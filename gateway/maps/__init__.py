"""Load, check, compile and print register maps."""

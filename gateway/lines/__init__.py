"""The kinds of line that a meter is read from, one file each."""

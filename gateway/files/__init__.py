"""Read YAML files with their places, and check them against a model; knows nothing of meters."""

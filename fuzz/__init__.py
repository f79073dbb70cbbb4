"""Coverage-guided fuzzing, by hand; what it has found stands in the tests."""

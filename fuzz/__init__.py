"""Coverage-guided fuzzing, started by hand. Each defect that it finds becomes a test."""

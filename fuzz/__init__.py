"""Coverage-guided fuzzing of every reader: see docs/reliability.md."""

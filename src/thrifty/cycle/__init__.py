"""The loop: score, select, submit, collect, train, evaluate. It knows stages, never which strategy it serves."""

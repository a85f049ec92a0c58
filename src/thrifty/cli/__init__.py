"""The command line: a thin face that adds nothing the library lacks."""

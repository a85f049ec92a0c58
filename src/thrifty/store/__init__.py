"""What a run remembers: one SQLite database and the files it names. The only SQL of the project lives here."""

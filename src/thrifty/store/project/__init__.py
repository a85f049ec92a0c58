"""What a project remembers for months: one database beside its files, which changes form by migrations."""

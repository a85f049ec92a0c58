"""How a project's database came to its form, one step a file, run by Alembic."""

"""A project that lives for months: pools, people who label, models, and what each label bought."""

"""Pages for one project: where it stands, the chosen frames and why, and a place to label them."""

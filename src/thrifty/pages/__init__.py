"""Pages for one project: where it stands, what is next, the chosen frames and why, and a place to label them."""

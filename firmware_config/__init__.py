"""Facts about one terminal: its profile, and later their signed publication, updates and keys."""

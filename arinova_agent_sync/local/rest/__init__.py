"""The HTTP routes that a bot may use, kept in SQLite. Belongs to the event loop's thread."""

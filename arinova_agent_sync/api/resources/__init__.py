"""The groups of routes of the HTTP client, one file each."""

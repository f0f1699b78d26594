"""Sockets for the rooms above: no thread, no protocol."""

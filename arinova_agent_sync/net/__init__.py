"""Sockets for the rooms above: no protocol, and no thread but that of a look-up."""

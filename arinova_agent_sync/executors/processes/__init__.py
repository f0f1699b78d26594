"""Handlers in processes of this machine."""

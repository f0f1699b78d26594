"""Handlers in Celery's workers, on any machine."""

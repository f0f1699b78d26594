"""A job that Celery has, as the gateway sees it. Not thread-safe."""

from __future__ import annotations

from ..relay import RelayedJob


class SentJob:
    """What is known of a job that Celery has.

    Args:
        job: the job.
        now: when it was sent.
    """

    def __init__(self, job: RelayedJob, now: float) -> None:
        self.job = job
        self.sent_at = now
        self.seen_at: float | None = None  # the latest sign of life, None before the first
        self.kill_at: float | None = None

    @property
    def task_id(self) -> str:
        """Celery's name of this attempt."""
        return f"{self.job.job_id}.{self.job.order.attempt}"

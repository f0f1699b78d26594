"""This package with its extra `speed`, as a client: the same program in another environment."""

import sdk  # noqa: F401

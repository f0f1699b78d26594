"""Where handlers run, if not on threads of the gateway's process."""

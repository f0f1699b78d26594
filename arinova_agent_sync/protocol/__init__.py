"""Values in, values out: no thread, no socket, no clock, no logging."""

"""The threads, the socket and the one door to the wire."""

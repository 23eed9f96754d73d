"""Instructions against their manuals and against other implementations."""

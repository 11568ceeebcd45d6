"""How trials are drawn, driven and kept on disk."""

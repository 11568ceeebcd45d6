"""Where fits are trained: worker processes on this machine."""

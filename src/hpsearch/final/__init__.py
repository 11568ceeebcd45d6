"""The final: refit of the champion, claim of the test set, and its single evaluation."""

"""From the champion of a search to one number on the sealed test set: confirm, refit, claim, evaluate."""

"""Networks and losses, built from the configuration on torch's own parts."""

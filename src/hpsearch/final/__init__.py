"""The champion's refit, the claim and the one evaluation."""

"""Many fits trained as one batched network."""

"""What is remembered where people can browse it: MLflow runs, the ledger of sealed test sets, the environment."""

"""Statistics of search trials and confirmed recipes: pure functions on arrays, where higher is better."""

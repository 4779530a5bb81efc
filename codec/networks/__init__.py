"""The networks: transforms, gains, entropy model, and the registry that loads their weights."""

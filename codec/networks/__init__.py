"""The networks: transforms, gains, entropy model, and how their weights are stored."""

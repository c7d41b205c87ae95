"""Crosslight in other frameworks. Each module needs that framework, and nothing else here needs any."""

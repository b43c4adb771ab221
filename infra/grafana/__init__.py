"""Grafana: the boards as code, and how they are provisioned."""

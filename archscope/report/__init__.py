"""Renderers: each turns an account or its table into one format."""

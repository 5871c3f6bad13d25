"""The spec language: text -> document -> expanded layers -> design."""

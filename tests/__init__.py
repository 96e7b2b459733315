"""Tests, in the layers of what they test."""

"""Dialects, specified by recorded conversations."""

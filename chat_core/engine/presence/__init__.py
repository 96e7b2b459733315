"""Presence: who is here, who follows what, and how others see them."""

"""What every HTTP request passes through: who asks, limits, headers, deadlines, errors."""

"""What every request passes: limits, identity, routes, answers."""

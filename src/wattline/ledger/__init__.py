"""Energy, cost and coverage over windows: asks a Store, returns figures."""

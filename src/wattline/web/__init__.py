"""Static pages that speak to the API only; imports nothing."""

"""Data quality: what came in, what did not and why, who is who, what broke; upload in the browser."""

"""Bring a whole portfolio into the customer-data bulk update API, true to the last record."""

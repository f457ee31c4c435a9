"""Two nights of a portfolio: what comparing them costs alone, and what becomes of whole nights."""

"""Tables that Python itself holds, by Arrow's interfaces for exchanging them, whichever library made them."""
